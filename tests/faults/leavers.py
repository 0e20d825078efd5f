"""Students who come, study, have themselves erased, and come back: one request after the other, so order is known."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from random import Random

import aiohttp

from infra.simulate.students import instant_text

_ATTEMPT_SECONDS = 20.0
_PAUSE_SECONDS = 0.3
_BETWEEN_STUDENTS_SECONDS = 1.5
_ACTIONS = (
    ("navigation", "page_view"),
    ("education", "flashcard_review"),
    ("education", "quiz_complete"),
    ("conversation", "message_sent"),
)


class Leavers:
    """Runs until cancelled. `shown` and `erased` are ledgers like those of `convergio simulate`."""

    def __init__(self, gateway: str, token: str, seed: int) -> None:
        self._gateway = gateway
        self._token = token
        self._rng = Random(seed)
        self.shown: list[dict[str, str]] = []
        self.erased: list[dict[str, str]] = []
        self.erasures = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends `run` once the student of the moment is done."""
        self._stopping.set()

    async def run(self) -> None:
        """One student after the other; every second one comes back after the erasure, with old and new events."""
        timeout = aiohttp.ClientTimeout(total=_ATTEMPT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while not self._stopping.is_set():
                user = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
                life = await self._study(session, user, [])
                await self._persist(session, "DELETE", f"/api/telemetry/me?userId={user}", None)
                self.erasures += 1
                self.erased += life
                if self._rng.random() < 0.5:
                    self.shown += await self._study(session, user, life[:1])
                await asyncio.sleep(_BETWEEN_STUDENTS_SECONDS)

    async def _study(
        self, session: aiohttp.ClientSession, user: str, again: list[dict[str, str]]
    ) -> list[dict[str, str]]:
        """Some batches of one session; the ids of `again` are sent once more, as events of this session."""
        study = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        lines: list[dict[str, str]] = []
        moment = datetime.now(UTC) - timedelta(seconds=600)
        for number in range(self._rng.randint(1, 3)):
            batch: list[dict[str, str]] = []
            for index in range(self._rng.randint(1, 6)):
                moment += timedelta(seconds=self._rng.randint(1, 30))
                category, action = self._rng.choice(_ACTIONS)
                known = again[0]["event"] if again and number == index == 0 else ""
                event = known or str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
                at = instant_text(int(moment.timestamp() * 1000))
                batch.append(
                    {
                        "user": user,
                        "event": event,
                        "session": study,
                        "occurred_at": at,
                        "category": category,
                        "action": action,
                        "answer": "accepted",
                        "expected": "accepted",
                    }
                )
            document = {
                "userId": user,
                "sentAt": datetime.now(UTC).isoformat(),
                "events": [_sent(line) for line in batch],
            }
            await self._persist(session, "POST", "/api/telemetry/events", document)
            lines += batch
        return lines

    async def _persist(self, session: aiohttp.ClientSession, method: str, path: str, document: object) -> None:
        """Asks until the answer is 202."""
        headers = {"Authorization": f"Bearer {self._token}"} if method == "DELETE" else {}
        while True:
            try:
                async with session.request(method, self._gateway + path, json=document, headers=headers) as response:
                    if response.status == 202:
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(_PAUSE_SECONDS)


def _sent(line: dict[str, str]) -> dict[str, str]:
    return {
        "eventId": line["event"],
        "sessionId": line["session"],
        "timestamp": line["occurred_at"],
        "category": line["category"],
        "action": line["action"],
    }
