"""What a run under faults has to come to: the clients' ledger against everything that is shown, counted."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from infra.local.probes import answers_ok
from tests.oracle import Oracle
from tests.stacks import RunningStack, now_ms, until

SHOWN_METRICS = {
    "users_active": "convergio_users_active",
    "sessions": "convergio_sessions_total",
    "study_minutes": "convergio_study_minutes_total",
}
AUDIT_VIOLATIONS = (
    *("missing_events", "doubled_events", "wrong_sessions", "erased_users_shown", "unreadable_messages"),
    "unchecked_messages_total",
)
_STUDENTS_ASKED = 5
_METRICS_SECONDS = 60.0

Line = dict[str, str]
Row = tuple[Any, ...]


@dataclass
class Verdict:
    """Counts of events, unless they say otherwise. What must be 0 is in `mistakes`."""

    sent: int = 0
    """Sent by clients, repeats included."""
    accepted: int = 0
    """Of those, answered 202 and accepted."""
    stored: int = 0
    duplicates: int = 0
    """Accepted again and dropped."""
    rejected: int = 0
    erased: int = 0
    """Accepted, and gone by right."""
    mistakes: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def expect(self, what: str, wrong: Iterable[object]) -> None:
        """Counts a kind of mistake, and keeps one of them to be looked at."""
        found = list(wrong)
        self.mistakes[what] = len(found)
        if found:
            self.examples[what] = repr(found[0])

    @property
    def good(self) -> bool:
        """Nothing that must be 0 is more."""
        return not any(self.mistakes.values())

    def __str__(self) -> str:
        figures = {
            "sent": self.sent,
            "answered 202": self.accepted,
            "stored": self.stored,
            "duplicates dropped": self.duplicates,
            "erased": self.erased,
            "rejected": self.rejected,
            **self.mistakes,
        }
        lines = [f"{name:<32}{figure:>9}" for name, figure in figures.items()]
        return "\n".join([*lines, *(f"for example {what}: {example}" for what, example in self.examples.items())])


async def judge(
    stack: RunningStack,
    lines: Sequence[Line],
    erased: Sequence[Line] = (),
    *,
    unlisted: bool = False,
    wait: float = 120,
) -> Verdict:
    """Compares once every processor has done its work, for which it has `wait` seconds: rows, sums, metrics and
    students' statistics.

    `lines` is the ledger of everything that has to be shown, `erased` of what was accepted and erased since. With
    `unlisted` the test has sent events of users that no ledger lists: sums over everyone are then left to the audit.
    """
    report = await stack.audit(wait)
    oracle = Oracle(lines)
    gone = Oracle({**line, "user": f"{line['user']} {line['session']}"} for line in erased)
    verdict = Verdict(
        sent=len(lines) + len(erased),
        accepted=oracle.deliveries + gone.deliveries,
        rejected=sum(line["answer"] not in ("accepted", "unanswered") for line in (*lines, *erased)),
        erased=len(gone.events),
    )
    verdict.expect("unanswered", [line for line in lines if line["answer"] == "unanswered"])
    verdict.expect("answered otherwise than meant", [line for line in lines if line["answer"] != line["expected"]])
    await _judge_rows(verdict, stack, oracle, {line["user"] for line in lines} if unlisted else None)
    verdict.duplicates = verdict.accepted - len(oracle.events) - len(gone.events)
    verdict.expect(
        "erased but shown", await _rows_of(stack, {line["user"] for line in erased} - {line["user"] for line in lines})
    )
    verdict.expect("mistakes the audit found", () if report["good"] else [report])
    await _judge_running_audit(verdict, stack)
    if not unlisted:
        await _judge_lifetime(verdict, stack, oracle, gone)
        await _judge_metrics(verdict, stack, oracle, gone)
    await _judge_statistics(verdict, stack, oracle)
    return verdict


async def _judge_running_audit(verdict: Verdict, stack: RunningStack) -> None:
    """It checks at a bounded rate, and looks again at what it found."""
    shown: dict[str, float] = {}

    async def quiet() -> bool:
        try:
            shown.update(await stack.running_audit())
        except aiohttp.ClientError:  # it was killed a moment ago
            return False
        return not any(shown[name] for name in (*AUDIT_VIOLATIONS, "lag_seconds"))

    try:
        await until(quiet, seconds=_METRICS_SECONDS)
    except TimeoutError:
        verdict.expect("mistakes the running audit found", [shown])
    else:
        verdict.expect("mistakes the running audit found", ())


async def _judge_rows(verdict: Verdict, stack: RunningStack, oracle: Oracle, users: Set[str] | None) -> None:
    def listed(rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if users is None or row[0] in users]

    shown, due = Counter(listed(await stack.event_rows())), Counter(oracle.event_rows())
    ids, due_ids = Counter(row[:2] for row in shown.elements()), {row[:2] for row in due}
    verdict.stored = len(ids)
    verdict.expect("missing", due_ids - ids.keys())
    verdict.expect("stored twice", [key for key, count in ids.items() if count > 1])
    verdict.expect("shown but never accepted", ids.keys() - due_ids)
    verdict.expect("stored otherwise than sent", [row for row in shown - due if row[:2] in due_ids])
    sessions, due_sessions = _by_key(listed(await stack.session_rows())), _by_key(oracle.session_rows())
    keys = sessions.keys() | due_sessions.keys()
    verdict.expect(
        "sessions that differ",
        [(key, sessions.get(key), due_sessions.get(key)) for key in keys if sessions.get(key) != due_sessions.get(key)],
    )
    study_ms = sum(row[4] for row in sessions.values())
    due_study_ms = sum(session.study_ms for session in oracle.sessions.values())
    verdict.expect("study time that differs", [] if study_ms == due_study_ms else [(study_ms, due_study_ms)])


async def _rows_of(stack: RunningStack, users: Iterable[str]) -> list[Row]:
    wanted = list(users)
    found: list[Row] = []
    for table in ("events", "sessions", "users", "recent_sessions"):
        found += await stack.rows(f"SELECT * FROM {table} WHERE user_id IN {{users:Array(UUID)}}", users=wanted)
    return found


async def _judge_lifetime(verdict: Verdict, stack: RunningStack, oracle: Oracle, gone: Oracle) -> None:
    (sums,) = await stack.rows("SELECT sessions, study_ms, events FROM lifetime")
    due = (
        len(oracle.sessions) + len(gone.sessions),
        sum(session.study_ms for session in (*oracle.sessions.values(), *gone.sessions.values())),
        len(oracle.events) + len(gone.events),
    )
    verdict.expect("sums since the beginning that differ", [] if sums == due else [(sums, due)])


async def _judge_metrics(verdict: Verdict, stack: RunningStack, oracle: Oracle, gone: Oracle) -> None:
    """The snapshot is some seconds old, so it may take a few looks until a window is the same before and after; right
    after a fault it may be too old to be shown."""
    ready = answers_ok(stack.config.exporter_port, "/readyz")
    fixed = Counter(_fixed(oracle)) + Counter(_fixed(gone))
    differing: list[object] = []

    async def equal() -> bool:
        if not await ready():
            differing[:] = ["the exporter has no fresh numbers"]
            return False
        windows = oracle.windows(now_ms())
        due = dict(fixed) | {
            f"{SHOWN_METRICS[metric]} {period}": value for (metric, period), value in windows.items() if period != "all"
        }
        samples = await stack.metrics()
        differing[:] = [
            (name, samples.get(name), value) for name, value in due.items() if samples.get(name) != pytest.approx(value)
        ]
        return not differing

    with contextlib.suppress(TimeoutError):
        await until(equal, seconds=_METRICS_SECONDS)
    verdict.expect("metrics that differ", differing)


def _fixed(oracle: Oracle) -> dict[str, float]:
    """Every metric since the beginning."""
    study_ms = sum(session.study_ms for session in oracle.sessions.values())
    return {
        "convergio_sessions_total all": len(oracle.sessions),
        "convergio_study_minutes_total all": study_ms / 60_000,
        **{f"convergio_feature_usage_total {name}": count for name, count in oracle.features().items()},
        **{f"convergio_maestro_usage_total {name}": count for name, count in oracle.maestros().items()},
    }


async def _judge_statistics(verdict: Verdict, stack: RunningStack, oracle: Oracle) -> None:
    """What the busiest students see of themselves."""
    wrong: list[object] = []
    for user, _ in Counter(event.user for event in oracle.events).most_common(_STUDENTS_ASKED):
        own = [session for session in oracle.sessions.values() if session.user == user]
        answer = json.loads(
            await stack.get(f"{stack.origin}/api/telemetry/stats?range=30d&tz=UTC", Cookie=f"convergio_uid={user}")
        )
        shown = (answer["totals"]["sessions"], answer["totals"]["questions"], answer["totals"]["pageViews"])
        due = (len(own), *(sum(s.actions[action] for s in own) for action in ("message_sent", "page_view")))
        minutes = sum(session.study_ms for session in own) / 60_000
        if shown != due or answer["totals"]["studyMinutes"] != pytest.approx(minutes, abs=0.01):
            wrong.append((user, shown, due))
    verdict.expect("statistics that differ", wrong)


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row[0], row[1]): row for row in rows}
