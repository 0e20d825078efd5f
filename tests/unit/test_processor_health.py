from processors.health import Health
from processors.offsets import CommitWatch, Progress


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waits_for_faust(_partition: int, _offset: int) -> bool:
    return False


def test_a_loop_that_beats_is_healthy_and_one_that_is_silent_is_not() -> None:
    clock = Clock()
    health = Health(clock, heartbeat_seconds=60)
    health.going()
    clock.now += 59
    assert health.sickness is None
    clock.now += 2
    assert health.sickness == "the flush loop has been silent for 61 s"
    health.beat()
    assert health.sickness is None


def test_waiting_for_clickhouse_is_a_hindrance_but_no_sickness() -> None:
    health = Health(Clock(), heartbeat_seconds=60)
    health.waiting("ClickHouse is away")
    assert health.sickness is None
    assert health.hindrance == "ClickHouse is away"
    health.going()
    assert health.hindrance is None


def test_a_processor_that_kafka_keeps_out_is_not_ready_and_a_restart_would_not_help() -> None:
    clock = Clock()
    health = Health(clock, heartbeat_seconds=60)
    assert health.kept_out("Kafka refuses it")
    clock.now += 59
    assert not health.kept_out("Kafka refuses it"), "said again, it is no news"
    clock.now += 59
    health.going()
    assert health.sickness is None
    assert health.hindrance == "Kafka refuses it"
    health.kept_out(None)
    assert health.hindrance is None


def test_it_is_not_ready_before_its_loop_runs() -> None:
    assert Health(Clock(), heartbeat_seconds=60).hindrance is not None


def test_stalled_commits_are_a_sickness() -> None:
    health = Health(Clock(), heartbeat_seconds=60)
    health.going()
    health.commits_stalled("partition 1 stands still")
    assert health.sickness == health.hindrance == "partition 1 stands still"
    health.commits_stalled(None)
    assert health.sickness is None


def test_commits_that_stand_still_with_work_left_are_noticed() -> None:
    clock = Clock()
    watch = CommitWatch(clock, limit_seconds=30)
    assert watch.stalled({0: Progress(committed=5, end=9)}, waits_for_faust) is None
    clock.now += 31
    stalled = watch.stalled({0: Progress(committed=5, end=12)}, waits_for_faust)
    assert stalled == "partition 0 is committed up to 5 for 31 s, 7 messages behind"


def test_commits_that_move_or_have_nothing_left_are_no_stall() -> None:
    clock = Clock()
    watch = CommitWatch(clock, limit_seconds=30)
    for committed in (5, 6):
        assert watch.stalled({0: Progress(committed, end=9), 1: Progress(4, 4)}, waits_for_faust) is None
        clock.now += 31
    assert watch.stalled({0: Progress(9, 9), 1: Progress(4, 4)}, waits_for_faust) is None


def test_a_pause_with_a_known_reason_does_not_count() -> None:
    clock = Clock()
    watch = CommitWatch(clock, limit_seconds=30)
    watch.stalled({0: Progress(5, 9)}, waits_for_faust)
    clock.now += 31
    watch.reset()
    assert watch.stalled({0: Progress(5, 9)}, waits_for_faust) is None


def test_commits_that_wait_for_a_slow_flush_are_no_stall_until_it_is_acknowledged() -> None:
    clock = Clock()
    watch = CommitWatch(clock, limit_seconds=30)
    acknowledged = 5

    def waits_for_flush(_partition: int, offset: int) -> bool:
        return acknowledged <= offset < 9

    for _ in range(5):
        assert watch.stalled({0: Progress(5, 9)}, waits_for_flush) is None
        clock.now += 31
    acknowledged = 9
    assert watch.stalled({0: Progress(5, 9)}, waits_for_flush) is not None
