"""What a client may send: the one definition of an event, read by everything else.

The types below are the source of the Python validation, the OpenAPI document, the committed JSON Schema
(`schemas/events.schema.json`) and the client's types. A category, action or field that is not here is
refused: collecting only what is listed is the privacy promise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

MAX_EVENTS_PER_BATCH = 500
MAX_LABEL = 128
"""Characters of a label."""

Id = Annotated[
    str,
    Meta(min_length=36, max_length=36, description="A UUID.", extra_json_schema={"format": "uuid"}),
]
"""A UUID as text; any case is accepted, lower case is stored."""

Instant = Annotated[datetime, Meta(tz=True)]
"""A moment as RFC 3339 with an offset, e.g. `2026-05-04T09:30:00.250Z`."""

Label = Annotated[str, Meta(max_length=MAX_LABEL)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataText = Annotated[str, Meta(max_length=256)]
MetadataInteger = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Metadata = Annotated[dict[MetadataKey, MetadataText | MetadataInteger | float | bool], Meta(max_length=16)]


class Event(msgspec.Struct, tag_field="category", forbid_unknown_fields=True, kw_only=True, gc=False):
    """What every event has; each category below adds its actions.

    `timestamp` is the client's clock when it happened; `value` is any finite number (seconds, a score, …).
    """

    eventId: Id  # noqa: N815 - the wire's own spelling
    sessionId: Id  # noqa: N815
    timestamp: Instant
    label: Label | None = None
    value: float | None = None
    metadata: Metadata | None = None


class Navigation(Event, tag="navigation", gc=False):
    action: Literal["page_view", "route_change"]


class Education(Event, tag="education", gc=False):
    action: Literal["flashcard_review", "quiz_complete", "mind_map_view"]


class Conversation(Event, tag="conversation", gc=False):
    action: Literal["message_sent", "session_start", "session_end"]


class Maestro(Event, tag="maestro", gc=False):
    """`maestro_selected` needs a `label`: the maestro as a slug, e.g. `archimede`."""

    action: Literal["maestro_selected", "voice_session", "teaching_interaction"]


class Tools(Event, tag="tools", gc=False):
    action: Literal["tool_created", "tool_completed", "tool_exported"]


class Accessibility(Event, tag="accessibility", gc=False):
    action: Literal["setting_changed", "mode_activated"]


class Error(Event, tag="error", gc=False):
    action: Literal["client_error", "api_error"]


class Performance(Event, tag="performance", gc=False):
    action: Literal["page_load", "interaction_time"]


AnyEvent = Navigation | Education | Conversation | Maestro | Tools | Accessibility | Error | Performance


class Batch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /api/telemetry/events`; `sentAt` is the client's clock when it sent the batch."""

    userId: Id | None = None  # noqa: N815
    sentAt: Instant  # noqa: N815
    events: Annotated[list[AnyEvent], Meta(min_length=1, max_length=MAX_EVENTS_PER_BATCH)]


CATEGORIES: dict[str, tuple[str, ...]] = {
    str(kind.__struct_config__.tag): get_args(get_type_hints(kind)["action"]) for kind in get_args(AnyEvent)
}
"""Every category with its actions, in the order of the definition."""

STUDY_ACTIONS: frozenset[str] = frozenset(
    action for category, actions in CATEGORIES.items() if category not in ("error", "performance") for action in actions
)
"""Actions of the learner's own doing: only gaps between them are study time. A page reports the others by itself."""

ACTION_COLUMNS: dict[str, str] = {
    "page_view": "page_views",
    "route_change": "route_changes",
    "flashcard_review": "flashcards",
    "quiz_complete": "quizzes",
    "mind_map_view": "mind_maps",
    "message_sent": "questions",
    "session_start": "session_starts",
    "session_end": "session_ends",
    "maestro_selected": "maestro_selections",
    "voice_session": "voice_sessions",
    "teaching_interaction": "teaching_interactions",
    "tool_created": "tools_created",
    "tool_completed": "tools_completed",
    "tool_exported": "tools_exported",
    "setting_changed": "settings_changed",
    "mode_activated": "modes_activated",
    "client_error": "client_errors",
    "api_error": "api_errors",
    "page_load": "page_loads",
    "interaction_time": "interaction_times",
}
"""The column of a session (and of the totals) that counts each action."""

FEATURES: dict[str, str] = {
    "flashcards": "flashcard_review",
    "quizzes": "quiz_complete",
    "mind_maps": "mind_map_view",
}
"""The learning features shown to people, with the action that counts as one use."""

MAESTRO_SELECTED = "maestro_selected"

MAESTRO_SLUG = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
"""What the label of `maestro_selected` looks like, e.g. `archimede` or `maria-montessori`."""

UUID_PATTERN = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
"""What an `Id` looks like; the gateway checks it by faster means."""

RejectCode = Literal[
    "unknown_category",
    "unknown_action",
    "unknown_field",
    "missing_field",
    "invalid_value",
    "label_required",
    "too_old",
    "opted_out",
]
"""Why one event of a batch was refused."""


class Rejection(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One refused event: its place in the batch, its id when it had a readable one, and why."""

    index: int
    eventId: str | None = None  # noqa: N815
    code: RejectCode
    message: str


class Verdict(msgspec.Struct, kw_only=True):
    """The body of a 202 (and of a 422): how many events Kafka acknowledged, and which were refused."""

    accepted: int
    rejected: list[Rejection]
