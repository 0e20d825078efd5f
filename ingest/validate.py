"""Decides which events of a batch are acceptable, and says why the others are not. Pure: no I/O, no clock.

Almost every batch is wholly good, so one typed decoder takes it as a whole (`_fast`). Only a batch it refuses
goes event by event (`_slow`). Both give the same verdicts: a property test holds that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from ingest.problems import Problem
from schemas.events import (
    MAESTRO_SELECTED,
    MAESTRO_SLUG,
    MAX_EVENTS_PER_BATCH,
    AnyEvent,
    Batch,
    Id,
    Instant,
    Maestro,
    RejectCode,
    Rejection,
)
from schemas.ids import are_canonical, canonical_uuid


class Submission(NamedTuple):
    """A batch that was read: the acceptable events with their places in it, and the refused ones."""

    user_id: str | None
    sent_at: datetime
    events: Sequence[AnyEvent]
    places: Sequence[int]
    rejected: list[Rejection]


class _LooseBatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A `Batch` whose events are looked at one by one."""

    userId: Id | None = None  # noqa: N815 - the wire's own spelling
    sentAt: Instant  # noqa: N815
    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_EVENTS_PER_BATCH)]


class _Identified(msgspec.Struct):
    """Whatever has an id we can name in a refusal."""

    eventId: str | None = None  # noqa: N815


LONGEST_MESSAGE: Final = 200
"""Characters of a refusal's message."""

_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_loose_batch = msgspec.json.Decoder(_LooseBatch).decode
_decode_event = msgspec.json.Decoder(AnyEvent).decode
_decode_identified = msgspec.json.Decoder(_Identified).decode

_slug = re.compile(MAESTRO_SLUG.removesuffix("$") + r"\Z").match


class Refusal(NamedTuple):
    """Why one event is not acceptable."""

    code: RejectCode
    message: str


def read_batch(body: bytes) -> Submission:
    """Reads a body. Raises a `not-json` or `wrong-shape` problem when there are no events to judge."""
    try:
        return _fast(body) or _slow(body)
    except msgspec.ValidationError as wrong:
        raise Problem("wrong-shape", _shortened(str(wrong))) from wrong
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        repaired = _repair_surrogates(body)
        if repaired != body:
            return read_batch(repaired)
        raise Problem("not-json", _describe(broken)) from broken


def opted_out(submission: Submission) -> list[Rejection]:
    """Every event of the batch refused because the person said no, in the batch's order."""
    refused = [
        Rejection(index=place, eventId=event.eventId, code="opted_out", message="The user opted out.")
        for place, event in zip(submission.places, submission.events, strict=True)
    ]
    refused += [
        Rejection(index=other.index, eventId=other.eventId, code="opted_out", message="The user opted out.")
        for other in submission.rejected
    ]
    refused.sort(key=lambda rejection: rejection.index)
    return refused


def _fast(body: bytes) -> Submission | None:
    """The whole batch at once, or None when an event of it needs a closer look."""
    try:
        batch = _decode_batch(body)
    except msgspec.ValidationError:
        return None
    events = batch.events
    ids = [event.eventId for event in events]
    ids += [event.sessionId for event in events]
    if batch.userId is not None:
        ids.append(batch.userId)
    if not are_canonical(ids):
        return None
    for event in events:
        if type(event) is Maestro and _maestro_refusal(event) is not None:
            return None
    return Submission(batch.userId, batch.sentAt, events, range(len(events)), [])


def _slow(body: bytes) -> Submission:
    """Event by event. Upper-case UUIDs are accepted and lowered."""
    # What is refused unread must still be text.
    body.decode()
    batch = _decode_loose_batch(body)
    user_id = None
    if batch.userId is not None:
        user_id = canonical_uuid(batch.userId)
        if user_id is None:
            raise Problem("wrong-shape", "Expected a UUID - at `$.userId`")
    events: list[AnyEvent] = []
    places: list[int] = []
    rejected: list[Rejection] = []
    for place, raw in enumerate(batch.events):
        verdict = judge(raw)
        if isinstance(verdict, Refusal):
            rejected.append(
                Rejection(index=place, eventId=_readable_id(raw), code=verdict.code, message=verdict.message)
            )
        else:
            events.append(verdict)
            places.append(place)
    return Submission(user_id, batch.sentAt, events, places, rejected)


def judge(raw: msgspec.Raw | bytes) -> AnyEvent | Refusal:
    """One event, with its ids in lower case, or why it is refused. Raises DecodeError for what is not JSON."""
    try:
        event: AnyEvent = _decode_event(raw)
    except msgspec.ValidationError as wrong:
        return _refusal(str(wrong))
    event_id, session_id = canonical_uuid(event.eventId), canonical_uuid(event.sessionId)
    if event_id is None:
        return Refusal("invalid_value", "Expected a UUID - at `$.eventId`")
    if session_id is None:
        return Refusal("invalid_value", "Expected a UUID - at `$.sessionId`")
    event.eventId, event.sessionId = event_id, session_id
    if type(event) is Maestro:
        return _maestro_refusal(event) or event
    return event


def _maestro_refusal(event: Maestro) -> Refusal | None:
    if event.action != MAESTRO_SELECTED:
        return None
    if event.label is None:
        return Refusal("label_required", "`maestro_selected` needs the maestro as its label - at `$.label`")
    if _slug(event.label) is None:
        return Refusal("invalid_value", "Expected a slug such as `archimede` - at `$.label`")
    return None


def _refusal(message: str) -> Refusal:
    """The code for msgspec's message, which names the field in its last part."""
    code: RejectCode = "invalid_value"
    if message.startswith("Object contains unknown field"):
        code = "unknown_field"
    elif message.startswith("Object missing required field"):
        code = "missing_field"
    elif message.startswith("Invalid value") and message.endswith("at `$.category`"):
        code = "unknown_category"
    elif message.startswith("Invalid enum value") and message.endswith("at `$.action`"):
        code = "unknown_action"
    return Refusal(code, _shortened(message))


def _shortened(message: str) -> str:
    """The message without the middle of what it quotes, which may be as long as the body."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]}…{message[-half:]}"


def _readable_id(raw: msgspec.Raw) -> str | None:
    """The refused event's id as it was sent, if it is a UUID."""
    try:
        event_id = _decode_identified(raw).eventId
    except msgspec.DecodeError:
        return None
    return event_id if event_id is not None and canonical_uuid(event_id) is not None else None


def _describe(broken: Exception) -> str:
    if isinstance(broken, RecursionError):
        return "The JSON is nested too deeply."
    if isinstance(broken, UnicodeDecodeError):
        return "The body is not UTF-8."
    return str(broken)


_LONE_SURROGATE = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_SURROGATE_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"

# Everything up to the next lone surrogate. Possessive, so that millions of escapes cost no memory.
_whole = re.compile(rb"(?:[^\\]++|" + _SURROGATE_PAIR + rb"|(?!" + _LONE_SURROGATE + rb")\\.)*+", re.DOTALL).match

MOST_REPAIRS: Final = MAX_EVENTS_PER_BATCH * 33
"""Lone surrogates in one body: a label and sixteen pairs of metadata per event, each text cut once."""


def _repair_surrogates(body: bytes) -> bytes:
    r"""The body with every lone `\ud83d` replaced by U+FFFD, as browsers do when they encode text.

    JavaScript's `JSON.stringify` writes one when a label was cut in the middle of an emoji; that is valid JSON,
    but no Unicode text, and msgspec refuses the whole body for it. A body with more than `MOST_REPAIRS` is left alone.
    """
    parts: list[bytes] = []
    start = 0
    for _ in range(MOST_REPAIRS + 1):
        found = _whole(body, start)
        assert found is not None, "it matches nothing as well"
        parts.append(found[0])
        start = found.end() + 6
        if not body.startswith(b"\\u", found.end()):
            return b"".join([*parts, body[found.end() :]])
        parts.append(b"\\ufffd")
    return body
