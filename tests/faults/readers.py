"""What a reader sees while things fail: never an event twice, never a sum since the beginning that falls."""

from __future__ import annotations

import asyncio

from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.stacks import RunningStack

_PAUSE_SECONDS = 1.0


class Readers:
    """Looks at the views again and again; `mistakes` says what must never be seen."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._stopping = asyncio.Event()
        self.looks = 0
        self.mistakes: list[str] = []

    def stop(self) -> None:
        """Ends `run` after the look under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Until stopped. A ClickHouse that is away is nobody's mistake here."""
        lifetime = (0, 0, 0)
        while not self._stopping.is_set():
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                ((shown, unique),) = await self._stack.rows("SELECT count(), uniqExact(user_id, event_id) FROM events")
                ((sessions, session_ids),) = await self._stack.rows(
                    "SELECT count(), uniqExact(user_id, session_id) FROM sessions"
                )
                (sums,) = await self._stack.rows("SELECT sessions, study_ms, events FROM lifetime")
            except (ClickHouseError, OSError):
                continue
            self.looks += 1
            if shown != unique:
                self.mistakes.append(f"a reader saw {shown - unique} events twice")
            if sessions != session_ids:
                self.mistakes.append(f"a reader saw {sessions - session_ids} sessions twice")
            if any(now < before for now, before in zip(sums, lifetime, strict=True)):
                self.mistakes.append(f"a sum since the beginning fell from {lifetime} to {sums}")
            lifetime = (int(sums[0]), int(sums[1]), int(sums[2]))
