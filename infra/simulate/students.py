"""Students and their study sessions: what they do, in which order, and how long they pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from random import Random

from infra.simulate.plan import SentEvent

MAESTROS = ("archimede", "dante", "galileo", "hypatia", "leonardo", "mozart", "socrate", "volta")
SUBJECTS = ("algebra", "biology", "history", "italian", "physics", "geography")
PAGES = ("home", "lesson", "library", "profile", "statistics")

# (weight, category, action): what a student does between opening and closing the app.
_ACTIVITIES = (
    (24, "education", "flashcard_review"),
    (18, "conversation", "message_sent"),
    (14, "navigation", "page_view"),
    (10, "navigation", "route_change"),
    (8, "education", "quiz_complete"),
    (6, "education", "mind_map_view"),
    (5, "maestro", "teaching_interaction"),
    (3, "maestro", "maestro_selected"),
    (3, "performance", "interaction_time"),
    (2, "maestro", "voice_session"),
    (2, "tools", "tool_created"),
    (1, "tools", "tool_completed"),
    (1, "tools", "tool_exported"),
    (1, "accessibility", "setting_changed"),
    (1, "accessibility", "mode_activated"),
    (1, "error", "client_error"),
    (1, "error", "api_error"),
)
_WEIGHTS = tuple(weight for weight, _, _ in _ACTIVITIES)
_CHOICES = tuple((category, action) for _, category, action in _ACTIVITIES)

SESSION_GAP_MS = 300_000
"""The default gap; sessions also pause for exactly this long and for one millisecond more."""


@dataclass(frozen=True, slots=True)
class Student:
    """A user id and a habit. Both follow from the seed and the number alone, so none need be remembered."""

    user_id: str
    maestro: str
    subject: str


def student(seed: int, number: int) -> Student:
    """The student of that number."""
    digest = blake2b(f"{seed}/{number}".encode(), digest_size=18).digest()
    return Student(
        uuid4_text(int.from_bytes(digest[:16], "big")),
        MAESTROS[digest[16] % len(MAESTROS)],
        SUBJECTS[digest[17] % len(SUBJECTS)],
    )


def study_session(rng: Random, who: Student, end_ms: int) -> list[SentEvent]:
    """The events of one session that ends at `end_ms` (milliseconds since 1970), oldest first."""
    session_id = uuid4_text(rng.getrandbits(128))
    activities = rng.choices(_CHOICES, _WEIGHTS, k=int(rng.triangular(3, 60, 20)))
    steps = [("conversation", "session_start"), ("performance", "page_load"), *activities]
    if rng.random() < 0.8:  # the others just close the tab
        steps.append(("conversation", "session_end"))
    gaps = [_gap_ms(rng) for _ in steps[1:]]
    moment = end_ms - sum(gaps)
    events = []
    for (category, action), gap in zip(steps, [0, *gaps], strict=True):
        moment += gap
        events.append(
            SentEvent(
                eventId=uuid4_text(rng.getrandbits(128)),
                sessionId=session_id,
                timestamp=instant_text(moment),
                category=category,
                action=action,
            )
        )
        _say_what(rng, who, events[-1])
    return events


def _say_what(rng: Random, who: Student, event: SentEvent) -> None:
    """Adds what belongs to the action: a label, a number, facts."""
    match event.action:
        case "maestro_selected" | "voice_session" | "teaching_interaction":
            event.label = who.maestro if rng.random() < 0.7 else rng.choice(MAESTROS)
        case "flashcard_review":
            event.label, event.value = who.subject, float(rng.randrange(6))
        case "quiz_complete":
            event.label, event.value = who.subject, rng.randrange(1001) / 10
            event.metadata = {"questions": rng.randrange(5, 31), "timed": rng.random() < 0.5}
        case "page_view" | "route_change":
            event.label = rng.choice(PAGES)
        case "page_load" | "interaction_time":
            event.value = float(rng.randrange(20, 3000))
        case "client_error" | "api_error":
            event.label = rng.choice(("timeout", "offline", "http_500"))


def _gap_ms(rng: Random) -> int:
    """How long a student pauses: seconds mostly, minutes at times, now and then a real break."""
    kind = rng.random()
    if kind < 0.85:
        return int(rng.expovariate(1 / 20_000)) % SESSION_GAP_MS
    if kind < 0.95:
        return rng.randrange(60_000, 290_000)
    if kind < 0.98:
        return rng.randrange(360_000, 1_200_000)
    return SESSION_GAP_MS + rng.randrange(2)


def uuid4_text(bits: int) -> str:
    """128 bits as the text of a version 4 UUID."""
    text = f"{(bits & ~(0xF000 << 64) & ~(0xC000 << 48)) | (0x4000 << 64) | (0x8000 << 48):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def instant_text(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339, e.g. `2026-05-04T09:30:00.250Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
