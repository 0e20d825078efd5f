"""`convergio dlq` against a real Kafka: dead letters listed once, shown as they were, sent again as they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from schemas.envelope import headers, message_key, partition_for
from schemas.topics import Source, dead_letter_headers, dead_letter_key, source_of, without_source
from tests.commands import Convergio
from tests.servers import ClickHouseAddress

PARTITIONS = 4


@dataclass
class DeadLetters:
    """The two topics of one test."""

    convergio: Convergio
    clickhouse: ClickHouseAddress
    database: str

    def erase(self, user: str, offset: int) -> None:
        """What a processor notes when it has carried out an erasure."""
        columns = "kafka_partition, kafka_offset, user_id, epoch, erased_at"
        row = f"{partition_for(user, PARTITIONS)}, {offset}, '{user}', 0, now64(3)"
        with clickhouse_connect.get_client(**self.clickhouse.client_options, database=self.database) as client:
            client.command(f"INSERT INTO erasures_data ({columns}) VALUES ({row})")

    async def states(self) -> dict[str, str]:
        """The state of each letter."""
        listed = json.loads((await self.convergio("dlq", "list", "--format", "json")).output)
        return {letter["letter"]: letter["state"] for letter in listed}

    @property
    def bootstrap(self) -> str:
        return self.convergio.settings["kafka_bootstrap"]

    async def add(self, value: bytes, offset: int, user: str, reason: str, copies: int = 1) -> str:
        """Sets a message aside as a processor does, and returns its name."""
        source = Source(self.convergio.settings["events_topic"], partition_for(user, PARTITIONS), offset)
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            for _ in range(copies):
                await producer.send_and_wait(
                    self.convergio.settings["dead_letter_topic"],
                    value,
                    key=dead_letter_key(source),
                    headers=dead_letter_headers(source, reason, message_key(user), headers("events")),
                )
        finally:
            await producer.stop()
        return f"{source.partition}:{source.offset}"

    async def sent_again(self) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything in the events topic."""
        topic = self.convergio.settings["events_topic"]
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord[bytes, bytes]] = []
            while len(found) < sum(ends.values()):
                for messages in (await consumer.getmany(timeout_ms=1000)).values():
                    found += messages
            return found
        finally:
            await consumer.stop()


@pytest.fixture
async def letters(kafka_bootstrap: str, topic_prefix: str, clickhouse: ClickHouseAddress, database: str) -> DeadLetters:
    convergio = Convergio(
        {
            "kafka_bootstrap": kafka_bootstrap,
            "events_topic": topic_prefix + "events",
            "dead_letter_topic": topic_prefix + "dlq",
            "partitions": str(PARTITIONS),
            **{name: str(value) for name, value in clickhouse.settings(database).items()},
        }
    )
    await convergio("migrate")
    return DeadLetters(convergio, clickhouse, database)


async def test_without_dead_letters_there_is_nothing_to_do(letters: DeadLetters) -> None:
    assert (await letters.convergio("dlq", "list")).output == "0 dead letter(s)\n"
    assert (await letters.convergio("dlq", "redrive")).output.startswith("0 dead letter(s) sent again")


async def test_copies_of_one_letter_are_one_and_reasons_can_be_searched(letters: DeadLetters) -> None:
    user = str(uuid4())
    first = await letters.add(b"{half", 3, user, "not JSON: truncated", copies=3)
    second = await letters.add(b"{}", 7, user, "user_id is missing")
    listed = json.loads((await letters.convergio("dlq", "list", "--format", "json")).output)
    assert [letter["letter"] for letter in listed] == [first, second]
    assert listed[0] | {"set_aside_at": ""} == {
        "letter": first,
        "topic": letters.convergio.settings["events_topic"],
        "partition": partition_for(user, PARTITIONS),
        "offset": 3,
        "key": user,
        "reason": "not JSON: truncated",
        "set_aside_at": "",
        "bytes": 5,
        "state": "waiting",
    }
    table = (await letters.convergio("dlq", "list", "--reason", "missing")).output
    assert [row.split()[0] for row in table.splitlines()] == ["letter", second, "1"]
    assert table.endswith("1 dead letter(s)\n")


async def test_a_letter_is_shown_as_it_was(letters: DeadLetters) -> None:
    name = await letters.add(b'{"a": 1}\n\xff', 3, str(uuid4()), "not UTF-8")
    shown = (await letters.convergio("dlq", "show", name)).output
    assert '{"a": 1}\n\\xff' in shown
    assert "reason   not UTF-8" in shown
    assert "header   kind: events" in shown


async def test_a_letter_that_is_not_there_is_one_line(letters: DeadLetters) -> None:
    for command in ("show", "redrive"):
        result = await letters.convergio("dlq", command, "0:99", code=1)
        assert result.errors == "convergio: there is no dead letter 0:99; `convergio dlq list` shows them all\n"


async def test_redriving_sends_the_original_to_its_users_partition(letters: DeadLetters) -> None:
    user = str(uuid4())
    await letters.add(b'{"good": "by now"}\n', 3, user, "schema not known yet", copies=2)
    await letters.add(b"nonsense", 4, str(uuid4()), "not JSON")
    dry = await letters.convergio("dlq", "redrive", "--reason", "schema", "--dry-run")
    assert "1 dead letter(s) would be sent again" in dry.output
    assert await letters.sent_again() == []
    result = await letters.convergio("dlq", "redrive", "--reason", "schema", "--limit", "5")
    assert "not counted twice" in result.output
    (message,) = await letters.sent_again()
    assert message.value == b'{"good": "by now"}\n'
    assert message.key == message_key(user)
    assert message.partition == partition_for(user, PARTITIONS)
    source = source_of(list(message.headers))
    assert (source.topic, source.partition, source.offset) == (
        letters.convergio.settings["events_topic"],
        partition_for(user, PARTITIONS),
        3,
    )
    assert without_source(list(message.headers)) == headers("events")


async def test_a_letter_is_sent_again_once_unless_it_dies_again(letters: DeadLetters) -> None:
    user = str(uuid4())
    name = await letters.add(b"{}", 3, user, "not JSON")
    await letters.convergio("dlq", "redrive")
    assert await letters.states() == {name: "redriven"}
    again = await letters.convergio("dlq", "redrive", name)
    assert again.output.startswith("0 dead letter(s) sent again and acknowledged, 1 sent again before left out")
    assert len(await letters.sent_again()) == 1
    await letters.add(b"{}", 3, user, "not JSON")
    assert await letters.states() == {name: "waiting"}
    await letters.convergio("dlq", "redrive")
    assert len(await letters.sent_again()) == 2
    assert await letters.states() == {name: "redriven"}


async def test_of_an_erased_user_nothing_is_shown_and_nothing_sent_again(letters: DeadLetters) -> None:
    user = str(uuid4())
    before = await letters.add(b'{"label": "private"}\n', 3, user, "not UTF-8: private")
    since = await letters.add(b'{"label": "later"}\n', 9, user, "not UTF-8: later")
    letters.erase(user, 5)
    assert await letters.states() == {before: "erased", since: "waiting"}
    for arguments in (("show", before), ("list",), ("list", "--format", "json"), ("redrive", "--dry-run")):
        shown = (await letters.convergio("dlq", *arguments)).output
        assert "private" not in shown
    assert "Its user was erased" in (await letters.convergio("dlq", "show", before)).output
    sent = await letters.convergio("dlq", "redrive")
    assert sent.output.startswith("1 dead letter(s) sent again and acknowledged, 1 of erased users left out")
    assert [message.value for message in await letters.sent_again()] == [b'{"label": "later"}\n']
