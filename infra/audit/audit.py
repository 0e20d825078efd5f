"""One audit: take a span of the topic, wait until it is processed, compare it with what is shown."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from clickhouse_connect.driver.client import Client

from infra.audit import stored
from infra.audit.messages import id_bytes, read_message, where
from infra.audit.report import Partition, Report
from infra.audit.sent import Sent
from infra.clickhouse.client import connect
from infra.clickhouse.reaching import clickhouse_errors
from infra.errors import Unreachable
from infra.kafka.client import topic_id_of
from infra.kafka.dead_letters import dead_letters
from infra.kafka.permissions import AUDITOR
from infra.kafka.reading import Span, committed, read, spans
from infra.kafka.requirements import require
from infra.kafka.retention import retention_in_force
from infra.settings import Settings
from schemas.retention import GRACE_DAYS, NO_DAY, Retention, first_kept_day
from schemas.topics import may_be_one_topic

_POLL_SECONDS = 0.5
_SWEEP_GRACE = timedelta(hours=1)
"""How much later than it is due a sweep may be before the audit calls it a mistake."""
_ATTEMPTS = 5


async def audit(settings: Settings, wait: float, now: datetime | None = None) -> Report:
    """Compares everything Kafka holds at the start of the call with what ClickHouse shows.

    Waits at most `wait` seconds for the processors to finish it. Raises `Unreachable` if they do not, or if
    Kafka or ClickHouse does not answer.
    """
    now = now or datetime.now(UTC)
    await require(settings, AUDITOR)
    held = await spans(settings, settings.events_topic)
    done = await wait_until_processed(settings, held, wait)
    report = Report(partitions={n: Partition(s.first, s.end, done.get(n, 0)) for n, s in sorted(held.items())})
    topic_id = await topic_id_of(settings, settings.events_topic)
    retention = await retention_in_force(settings)
    sent = await _read_sent(settings, held, topic_id, retention)
    report.dead_letters = len(sent.dead)
    with clickhouse_errors(settings):
        await asyncio.to_thread(_compare, settings, held, topic_id, sent, now, report)
        await _compare_sessions(settings, report)
    return report


async def wait_until_processed(settings: Settings, held: Mapping[int, Span], wait: float) -> dict[int, int]:
    """Returns the processors' offsets once they have reached the end of every span.

    Raises `Unreachable` when that takes longer than `wait` seconds.
    """
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        done = await committed(settings, settings.events_topic, settings.consumer_group)
        behind = sum(max(0, span.end - max(done.get(n, 0), span.first)) for n, span in held.items())
        if not behind:
            return done
        if asyncio.get_running_loop().time() >= deadline:
            raise Unreachable(
                f"the processors ({settings.consumer_group}) are {behind} messages behind after {wait:g} s; "
                "are they running? Look at their log, or give them longer with --wait"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _read_sent(settings: Settings, held: Mapping[int, Span], topic_id: str, retention: Retention) -> Sent:
    letters = await dead_letters(settings)
    here = [letter for letter in letters if letter.source.topic == settings.events_topic]
    sent = Sent(
        retention=retention,
        dead=frozenset(
            (letter.source.partition, letter.source.offset)
            for letter in here
            if may_be_one_topic(letter.source.topic_id, topic_id)
        ),
        waiting=frozenset(where(letter.source, topic_id) for letter in here if not letter.redriven),
    )
    async for partition, messages in read(settings, settings.events_topic, held):
        for message in messages:
            found = read_message(message)
            source = None if found.source is None else where(found.source, topic_id)
            sent.take(partition, found.offset, found.kind, found.value, source)
    return sent


def _compare(
    settings: Settings, held: Mapping[int, Span], topic_id: str, sent: Sent, now: datetime, report: Report
) -> None:
    missing: dict[bytes, frozenset[bytes]] = {}
    with connect(settings) as client:
        shown: set[bytes] = set()
        for user, rows in stored.events_by_user(client):
            shown.add(user)
            if gone := _compare_user(user, rows, held, sent, report):
                missing[user] = gone
        for user in sent.users():
            if user not in shown:
                _note_too_old(user, sent.too_old(user), report)
                missing[user] = sent.kept(user)
        forgotten = _erased_since(client, held, topic_id) if missing else set()
        report.copies = stored.physical_copies(client)
        if why := _closed_early(stored.last_closed_day(client), sent.retention, now):
            report.closed_early.add(why)
        overdue = timedelta(seconds=settings.erasure_sweep_seconds) + _SWEEP_GRACE
        for user_id, hidden in stored.unswept(client, overdue).items():
            report.not_deleted.add(f"{user_id}: {hidden} events")
    report.erased = sent.erased_unique
    for user, events in missing.items():
        if user in forgotten:
            report.erased += len(events)
        else:
            for event in events:
                report.missing.add(_name(user, event))
    for place in sent.undecodable:
        report.undecodable.add("{}:{}".format(*place))
    report.messages, report.sent = sent.messages, sent.rows
    report.empty_offsets = sum(len(span) for span in held.values()) - sent.messages
    report.dead_letter_events, report.erasures = sent.dead_rows, sent.erasures
    report.unique = sent.unique
    report.duplicates = report.sent - report.unique
    report.expired = report.unique - report.stored - report.erased - report.missing.count


def _closed_early(closed: date, retention: Retention, now: datetime) -> str | None:
    """Why the last closed day should still be open, if it should.

    The first announcement may be of days that were closed before days were announced.
    """
    before = now - timedelta(days=GRACE_DAYS)
    for number, announced in enumerate(retention.announcements):
        in_time = announced.at <= before or number == 0
        if in_time and closed < min(announced.keep_from, first_kept_day(before, announced.days)):
            return None
    if closed == NO_DAY:
        return None
    return f"closed through {closed}; events are kept for {retention.days} days, and announced is {retention.keep_from}"


def _compare_user(
    user: bytes, rows: list[stored.StoredEvent], held: Mapping[int, Span], sent: Sent, report: Report
) -> frozenset[bytes]:
    """Counts what is shown of one user, and returns what should be shown and is not."""
    kept, expired, erased = sent.kept(user), sent.expired(user), sent.erased(user)
    times = Counter(event for _, event, _, _ in rows)
    for event, count in times.items():
        if count > 1:
            report.stored_twice.add(_name(user, event))
    for _, event, partition, offset in rows:
        if event in kept or event in expired:
            continue
        span = held.get(partition, Span(0, 0))
        if offset >= span.end:
            report.since += 1
        elif event in erased:
            report.erased_but_shown.add(_name(user, event))
        elif offset < span.first:
            report.beyond_kafka += 1
        else:
            report.unexplained.add(_name(user, event))
    _note_too_old(user, sent.too_old(user) - times.keys(), report)
    report.stored += len((kept | expired) & times.keys())
    return kept - times.keys()


def _note_too_old(user: bytes, events: frozenset[bytes], report: Report) -> None:
    for event in events:
        report.too_old.add(_name(user, event))


def _erased_since(client: Client, held: Mapping[int, Span], topic_id: str) -> set[bytes]:
    """Users who were erased after the audit began, so that their events may be missing.

    Offsets of another topic say nothing: one that was made anew starts at 0 again.
    """
    return {
        id_bytes(user)
        for user, topic, partition, offset in stored.erasures(client)
        if may_be_one_topic(topic, topic_id) and partition in held and offset >= held[partition].end
    }


async def _compare_sessions(settings: Settings, report: Report) -> None:
    """A session is written just after its events, so under traffic a difference may be a moment's."""
    gap_ms = settings.session_gap_seconds * 1000
    with await asyncio.to_thread(connect, settings) as client:
        for _ in range(_ATTEMPTS):
            differences = await asyncio.to_thread(stored.session_differences, client, gap_ms)
            if not differences:
                break
            await asyncio.sleep(_POLL_SECONDS)
        for session in differences:
            report.sessions_differ.add(
                f"{session.user_id}/{session.session_id}: stored {session.stored}, from events {session.recomputed}"
            )
        report.sessions = await asyncio.to_thread(stored.session_count, client)


def _name(user: bytes, event: bytes) -> str:
    return f"{UUID(bytes=user)}/{UUID(bytes=event)}"
