"""Which requests for statistics and the overview are answered: how many at once, and how many from one user or address.

Strangers cannot be told from students, because everyone chooses their own cookie. So what they can take in all is
bounded, and a refusal is immediate: a request that waits holds a connection and helps nobody.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from starlette.types import Scope

from exporter.auth import Audience, Denied, admit_operator, audience
from exporter.settings import ExporterSettings
from schemas.limits import TokenBuckets
from schemas.metrics import STATS_REFUSALS, StatsRefusal
from schemas.proxies import Peers
from schemas.requests import request_headers

BUSY_SECONDS: Final = 1
"""The `Retry-After` of a request that finds no slot free."""


class Refused(Exception):
    """A request that is not answered now; `retry_after` is in whole seconds."""

    def __init__(self, reason: StatsRefusal, retry_after: int) -> None:
        super().__init__(reason)
        self.reason: Final = reason
        self.retry_after: Final = retry_after


class Admission:
    """Admits requests for statistics, and counts those it refuses. `clock` counts seconds and never goes back.

    Requests with the operator token have slots of their own and no rate, so nobody else can lock operators out. One
    user has at most half of the slots of all users.
    """

    def __init__(self, settings: ExporterSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.refusals: dict[StatsRefusal, int] = dict.fromkeys(STATS_REFUSALS, 0)
        self._operator_token = settings.operator_token
        self._peers = Peers(settings.trusted_proxies)
        self._slots = settings.stats_slots
        self._operator_slots = settings.stats_operator_slots
        self._in_progress: Counter[UUID | None] = Counter()
        self._addresses = self._users = None
        if settings.rate_limit_enabled:
            self._addresses = TokenBuckets(
                rate=settings.stats_address_requests_per_second,
                burst=settings.stats_address_requests_burst,
                entries=settings.rate_limit_entries,
                clock=clock,
            )
            self._users = TokenBuckets(
                rate=settings.stats_user_requests_per_second,
                burst=settings.stats_user_requests_burst,
                entries=settings.rate_limit_entries,
                clock=clock,
            )

    @contextmanager
    def admit(self, scope: Scope) -> Iterator[Audience]:
        """Holds a slot for a request and says whose statistics it may read.

        Raises `Refused`, and `Denied` for a request that names nobody or has a wrong token.
        """
        who = self._audience(scope)
        busy = self._busy(who.user)
        if busy is not None:
            raise self._refused(busy, BUSY_SECONDS)
        self._in_progress[who.user] += 1
        try:
            yield who
        finally:
            self._in_progress[who.user] -= 1
            if not self._in_progress[who.user]:
                del self._in_progress[who.user]

    def admit_to_overview(self, scope: Scope, *, everyone: bool) -> None:
        """Lets in `everyone`, at the rate of their address, else only the operator token, at no rate.

        It holds no slot: however many look, they share one reading. Raises `Refused`, and `Denied` without the token.
        """
        headers = request_headers(scope["headers"])
        address = self._peers.client_key(scope, headers)
        if everyone:
            self._charge(self._addresses, address, "address")
            return
        try:
            admit_operator(self._operator_token, headers)
        except Denied:
            self._charge(self._addresses, address, "address")
            raise

    def _audience(self, scope: Scope) -> Audience:
        headers = request_headers(scope["headers"])
        address = self._peers.client_key(scope, headers)
        try:
            who = audience(self._operator_token, headers)
        except Denied:
            self._charge(self._addresses, address, "address")
            raise
        if who.user is not None:
            self._charge(self._addresses, address, "address")
            self._charge(self._users, str(who.user), "user")
        return who

    def _charge(self, buckets: TokenBuckets | None, key: str, reason: StatsRefusal) -> None:
        if buckets is not None and (wait := buckets.take(key, 1)):
            raise self._refused(reason, wait)

    def _busy(self, user: UUID | None) -> StatsRefusal | None:
        """Why there is no slot for a user, or for an operator (None); None if there is one."""
        of_operators = self._in_progress[None]
        if user is None:
            return "operators-busy" if of_operators >= self._operator_slots else None
        if self._in_progress[user] >= max(1, self._slots // 2):
            return "user-busy"
        return "busy" if self._in_progress.total() - of_operators >= self._slots else None

    def _refused(self, reason: StatsRefusal, retry_after: int) -> Refused:
        self.refusals[reason] += 1
        return Refused(reason, retry_after)
