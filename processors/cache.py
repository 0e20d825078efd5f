"""The users that a processor remembers, bounded in memory; what is not here is read from ClickHouse."""

from __future__ import annotations

from collections import OrderedDict

from processors.dedup import User

_LARGE_SHARE = 8


class UserCache:
    """One cache serves one ownership of one partition, and is dropped with it.

    Its weight counts users, event ids, sessions and spans. Users of flushes that are not stored yet stay, or the next
    flush would not know their events; beyond the limit the users that were used least recently go first.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[str, User] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._users)

    def __getitem__(self, user_id: str) -> User:
        return self._users[user_id]

    def get(self, user_id: str) -> User | None:
        """The user, if they are remembered."""
        return self._users.get(user_id)

    def put(self, user_id: str, user: User) -> None:
        """Remembers a user."""
        self.forget(user_id)
        self._users[user_id] = user
        self._weigh(user)

    def used(self, user_id: str, flush: int) -> None:
        """Notes that flush number `flush` has used a user, who may have grown."""
        user = self._users[user_id]
        user.flush = flush
        self._users.move_to_end(user_id)
        self._weigh(user)

    def forget(self, user_id: str) -> None:
        """Forgets a user; the next envelope of theirs reads back what it needs."""
        user = self._users.pop(user_id, None)
        if user is not None:
            self.weight -= user.weight

    def clear(self) -> None:
        """Forgets everyone."""
        self._users.clear()
        self.weight = 0

    def shrink(self, limit: int, stored: int) -> None:
        """Forgets users until the weight is at most `limit`; those of flushes after number `stored` stay.

        A single user may have an eighth of the limit: beyond that their ids are looked up, flush by flush, and the
        cache stays with the others.
        """
        large = limit // _LARGE_SHARE
        for user in reversed(self._users.values()):
            if user.flush < stored - 1:  # looked at before
                break
            if user.weight > large and user.flush <= stored:
                user.ids.clear()
                user.complete = False
                self._weigh(user)
                if user.weight > large:
                    user.sessions.clear()
                    self._weigh(user)
        while self.weight > limit:
            user_id = next(iter(self._users))
            if self._users[user_id].flush > stored:
                return
            self.forget(user_id)

    def _weigh(self, user: User) -> None:
        weight = (
            1
            + len(user.ids)
            + sum(1 if session.spans is None else 1 + len(session.spans) for session in user.sessions.values())
        )
        self.weight += weight - user.weight
        user.weight = weight
