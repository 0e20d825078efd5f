"""The ledger: one line per event sent, with what the gateway answered. Tests and people compare against it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from infra.simulate.plan import ClientBatch

UNANSWERED = "unanswered"
"""No answer came within the client's patience: the event may be stored or not."""


class Delivery(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One event of one delivered batch. An event that was sent twice has two lines.

    `answer` is `accepted`, a reject code, `http_<status>` if the whole batch was refused, or `unanswered`;
    `expected` is what the simulator meant it to be. `occurred_at` is the corrected time: simulated clocks are
    right, so it is the time as sent.
    """

    user: str
    event: str
    session: str
    occurred_at: str
    category: str
    action: str
    answer: str
    expected: str
    label: str = ""
    value: float | None = None


class Ledger:
    """Writes deliveries as NDJSON. Every line is whole once `record` returns and the file is flushed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._encode = msgspec.json.Encoder().encode_lines

    def record(self, batch: ClientBatch, answers: Iterable[str]) -> None:
        """Adds one answered (or given up) batch; `answers` has one per event."""
        deliveries = [
            Delivery(
                user=batch.user_id,
                event=event.eventId,
                session=event.sessionId,
                occurred_at=event.timestamp,
                category=event.category,
                action=event.action,
                answer=answer,
                expected=batch.expected(index),
                label=event.label,
                value=event.value,
            )
            for index, (event, answer) in enumerate(zip(batch.events, answers, strict=True))
        ]
        self._file.write(self._encode(deliveries))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
