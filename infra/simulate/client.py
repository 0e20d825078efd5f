"""A good client: keeps a batch until it is answered, and comes back when and as often as it is told to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import aiohttp
import msgspec

from infra.simulate.ledger import UNANSWERED
from infra.simulate.plan import ClientBatch, SentEvent
from schemas.events import Rejection

EVENTS_PATH = "/api/telemetry/events"
ATTEMPT_SECONDS = 20.0
"""How long one attempt may take. Below the gateway's tolerance for skew, so `sentAt` stays true."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_RETRY = {408, 425, 429, 500, 502, 503, 504}

_encode_events = msgspec.json.Encoder().encode


class _Answer(msgspec.Struct):
    """A `schemas.events.Verdict`, also when it comes inside a problem document."""

    accepted: int
    rejected: list[Rejection]


_decode_answer = msgspec.json.Decoder(_Answer).decode


@dataclass(slots=True)
class Deliveries:
    """What happened on the way, over all batches."""

    requests: int = 0
    retries: int = 0
    told_to_wait: int = 0
    """Answers 429 and 503."""


class GatewayClient:
    """Delivers batches to one or several gateways in turn."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        *,
        patience: float = 300.0,
        token: str | None = None,
    ) -> None:
        self._session = session
        self._urls = [url.rstrip("/") + EVENTS_PATH for url in urls]
        self._next_url = 0
        self._patience = patience
        self._give_up_at = math.inf
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._jitter = Random()
        self.deliveries = Deliveries()

    def hurry(self, patience: float) -> None:
        """Batches under way are given up after so many seconds from now."""
        self._give_up_at = min(self._give_up_at, asyncio.get_running_loop().time() + patience)

    async def deliver(self, batch: ClientBatch) -> list[str]:
        """The answer to each event: `accepted`, a reject code, `http_<status>`, or `unanswered`.

        Tries again after 429, 5xx and broken connections until its patience (seconds) is over, or it is told to hurry.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        events = _encode_events(batch.events)
        attempt = 0
        while True:
            answers, wait = await self._attempt(batch, events)
            if answers is not None:
                return answers
            backoff = self._jitter.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
            pause = wait + backoff
            if clock() + pause > min(began + self._patience, self._give_up_at):
                return [UNANSWERED] * len(batch.events)
            attempt = min(attempt + 1, 16)
            self.deliveries.retries += 1
            await asyncio.sleep(pause)

    async def _attempt(self, batch: ClientBatch, events: bytes) -> tuple[list[str] | None, float]:
        """Either the answers, or how many seconds the gateway asked to wait."""
        sent_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        body = b'{"userId":"%b","sentAt":"%b","events":%b}' % (batch.user_id.encode(), sent_at.encode(), events)
        self._next_url = (self._next_url + 1) % len(self._urls)
        url = self._urls[self._next_url]
        self.deliveries.requests += 1
        try:
            async with self._session.post(url, data=body, headers=self._headers) as response:
                answer = await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return None, 0.0
        if status in _RETRY:
            self.deliveries.told_to_wait += status in (429, 503)
            return None, float(retry_after) if retry_after.isdigit() else 0.0
        return _answers(batch.events, status, answer), 0.0


def _answers(events: list[SentEvent], status: int, body: bytes) -> list[str]:
    """One answer per event from a verdict; the status for all of them if the body is none."""
    try:
        verdict = _decode_answer(body) if status in (202, 422) else None
    except msgspec.MsgspecError:
        verdict = None
    if verdict is None:
        return [f"http_{status}"] * len(events)
    answers = ["accepted"] * len(events)
    for rejection in verdict.rejected:
        answers[rejection.index] = rejection.code
    return answers
