"""The users a processor remembers, bounded by their events; whoever is not here is read from ClickHouse."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from processors.dedup import User


class UserCache:
    """Least recently flushed users are forgotten first. One cache serves one ownership of one partition.

    When the partition is taken away the whole cache is dropped with it: another processor writes on, so nothing
    remembered here would be true later.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[str, User] = OrderedDict()
        self.events = 0

    def __len__(self) -> int:
        return len(self._users)

    def __getitem__(self, user_id: str) -> User:
        return self._users[user_id]

    def missing(self, user_ids: Iterable[str]) -> set[str]:
        """Those of the given users that must be read from ClickHouse."""
        return {user_id for user_id in user_ids if user_id not in self._users}

    def put(self, user_id: str, user: User) -> None:
        """Remembers a user as read from ClickHouse."""
        self.forget(user_id)
        self._users[user_id] = user
        self.events += len(user.ids)

    def grew(self, user_id: str, events: int) -> None:
        """Says that a user took in this many events, and was used just now."""
        self._users.move_to_end(user_id)
        self.events += events

    def forget(self, user_id: str) -> None:
        """Forgets a user; the next envelope of theirs reads them from ClickHouse."""
        user = self._users.pop(user_id, None)
        if user is not None:
            self.events -= len(user.ids)

    def clear(self) -> None:
        """Forgets everyone."""
        self._users.clear()
        self.events = 0

    def shrink(self, limit: int) -> None:
        """Forgets the least recently used users until at most `limit` events are remembered."""
        while self.events > limit and self._users:
            _, user = self._users.popitem(last=False)
            self.events -= len(user.ids)
