"""Hypothesis strategies for batches as clients might send them, good and bad."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from schemas.events import CATEGORIES, MAESTRO_SELECTED

Event = dict[str, object]

MOMENT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

text = st.text(st.characters(codec="utf-8"), max_size=8)
uuids = st.uuids().map(str)
moments = st.timedeltas(timedelta(days=-30), timedelta(days=30)).map(
    lambda age: (MOMENT + age).isoformat().replace("+00:00", "Z")
)
values = st.floats(allow_nan=False, allow_infinity=False)
metadata = st.dictionaries(text, text | values | st.booleans() | st.integers(-(2**63), 2**63 - 1), max_size=4)


@st.composite
def good_events(draw: st.DrawFn) -> Event:
    """One acceptable event."""
    category = draw(st.sampled_from(sorted(CATEGORIES)))
    action = draw(st.sampled_from(CATEGORIES[category]))
    made: Event = {
        "eventId": draw(uuids),
        "sessionId": draw(uuids),
        "timestamp": draw(moments),
        "category": category,
        "action": action,
    }
    if action == MAESTRO_SELECTED:
        made["label"] = draw(st.sampled_from(["archimede", "maria-montessori", "da_vinci", "e2"]))
    elif draw(st.booleans()):
        made["label"] = draw(text | st.none())
    if draw(st.booleans()):
        made["value"] = draw(values | st.none() | st.integers(-(2**70), 2**70))
    if draw(st.booleans()):
        made["metadata"] = draw(metadata | st.none())
    return made


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | values | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def spoiled_events(draw: st.DrawFn) -> Event:
    """An event with one thing about it changed; most of these must be refused."""
    made = draw(good_events())
    how = draw(st.sampled_from(["drop", "add", "replace", "long", "slug", "id", "keys"]))
    if how == "drop":
        del made[draw(st.sampled_from(sorted(made)))]
    elif how == "add":
        made[draw(text)] = draw(anything)
    elif how == "replace":
        made[draw(st.sampled_from(sorted(made)))] = draw(anything)
    elif how == "long":
        made["label"] = "x" * draw(st.integers(120, 140))
    elif how == "slug":
        made |= {"category": "maestro", "action": MAESTRO_SELECTED, "label": draw(text | st.none())}
    elif how == "id":
        name = draw(st.sampled_from(["eventId", "sessionId"]))
        made[name] = draw(
            st.text("0123456789abcdefABCDEF-g", min_size=36, max_size=36)
            | uuids.map(str.upper)
            | uuids.map(lambda text: text.replace("-", "0"))
            | uuids.map(lambda text: text[1:] + text[0])
            | st.text(min_size=35, max_size=37)
        )
    else:
        made["metadata"] = {"k" * length: "v" * 256 for length in range(draw(st.integers(14, 18)))}
    return made


events = good_events() | spoiled_events() | anything


@st.composite
def batches(draw: st.DrawFn) -> dict[str, object]:
    """A batch of the right shape, whatever its events are."""
    made: dict[str, object] = {"sentAt": draw(moments), "events": draw(st.lists(events, min_size=1, max_size=5))}
    if draw(st.booleans()):
        made["userId"] = draw(st.none() | uuids | uuids.map(str.upper))
    return made


def fresh_id() -> str:
    """A new random UUID."""
    return str(uuid.uuid4())
