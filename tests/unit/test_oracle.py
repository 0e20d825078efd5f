"""The oracle itself, against sums done by hand."""

from __future__ import annotations

from tests.oracle import Oracle
from tests.oracle.oracle import HOUR_MS, milliseconds

NOON = "2026-05-04T12:00:00.000Z"


def line(event: str, at: str, user: str = "u", session: str = "s", **more: str) -> dict[str, str]:
    return {
        "user": user,
        "event": event,
        "session": session,
        "occurred_at": f"2026-05-04T{at}Z",
        "category": "navigation",
        "action": "page_view",
        "answer": "accepted",
        **more,
    }


def test_a_gap_of_five_minutes_counts_and_a_longer_one_does_not() -> None:
    oracle = Oracle([line("a", "10:00:00.000"), line("b", "10:05:00.000"), line("c", "10:10:00.001")])
    (session,) = oracle.sessions.values()
    assert session.study_ms == 300_000
    assert session.ended_ms - session.started_ms == 600_001


def test_order_of_arrival_changes_nothing() -> None:
    lines = [line("a", "10:00:00.000"), line("b", "10:04:00.000"), line("c", "10:02:00.000")]
    assert Oracle(lines).session_rows() == Oracle(reversed(lines)).session_rows()


def test_the_first_copy_counts_and_refused_lines_do_not() -> None:
    oracle = Oracle(
        [
            line("a", "10:00:00.000"),
            line("a", "11:00:00.000"),
            line("b", "10:01:00.000", answer="too_old"),
            line("a", "10:00:00.000", user="other"),
        ]
    )
    assert oracle.deliveries == 3
    assert [(event.user, event.at_ms) for event in oracle.events] == [
        ("u", milliseconds("2026-05-04T10:00:00.000Z")),
        ("other", milliseconds("2026-05-04T10:00:00.000Z")),
    ]


def test_a_window_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    at = milliseconds(NOON)
    oracle = Oracle(
        [
            line("a", "11:00:00.000", user="just outside"),
            line("b", "11:00:00.001", user="just inside"),
            line("c", "12:00:00.000", user="at the end"),
            line("d", "12:00:00.001", user="later"),
        ]
    )
    assert oracle.active_users(at, HOUR_MS) == 2
    assert len(oracle.started(at, HOUR_MS)) == 2
    assert oracle.windows(at)["sessions", "24h"] == 3


def test_features_and_maestros_are_counted_by_action_and_label() -> None:
    oracle = Oracle(
        [
            line("a", "10:00:00.000", action="flashcard_review"),
            line("b", "10:00:01.000", action="maestro_selected", label="dante"),
            line("c", "10:00:02.000", action="voice_session", label="dante"),
        ]
    )
    assert oracle.features() == {"flashcards": 1, "quizzes": 0, "mind_maps": 0}
    assert oracle.maestros() == {"dante": 1}


def test_an_erased_user_leaves_nothing() -> None:
    oracle = Oracle([line("a", "10:00:00.000"), line("a", "10:00:00.000", user="other")], erased=["u"])
    assert {event.user for event in oracle.events} == {"other"}
