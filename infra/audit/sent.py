"""What was sent: the ids in the events topic, kept small enough to hold all of them.

Pure. Memory: 16 bytes per event sent, and some 300 per user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from infra.audit.messages import ID_BYTES, UNREADABLE, Where, decode_erasure, decode_rows, id_bytes, is_covered
from schemas.retention import LONGEST_UNREAD, Retention, start_of


@dataclass(slots=True)
class Sent:
    """The fold of the events topic. `take` each message once, in order within its partition."""

    retention: Retention
    """Events from before the days that are kept may be stored or not."""
    dead: frozenset[Where] = frozenset()
    """Places of dead-lettered messages, whose content was not processed."""
    waiting: frozenset[Where] = frozenset()
    """Places of the dead letters that still wait for a redrive, or were dead-lettered again after one."""

    messages: int = 0
    rows: int = 0
    """Events in them, repeats included, without those of dead letters."""
    dead_rows: int = 0
    erasures: int = 0
    erased_unique: int = 0
    """Unique events that were erased; one that was sent again after its erasure counts in both lives."""
    undecodable: list[Where] = field(default_factory=list)
    """Places of messages that cannot be read and yet are no dead letters."""
    _kept_from: datetime = field(init=False)
    _kept: defaultdict[bytes, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    _expired: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    _too_old: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    _erased: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    _erasures: defaultdict[bytes, list[Where]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._kept_from = start_of(self.retention.keep_from)

    def take(self, partition: int, offset: int, kind: str, value: bytes, source: Where | None = None) -> None:
        """Folds one message in; `kind` is its header, `events` or `erasure`.

        `source` is where a redriven message first stood; in an earlier topic of that name its partition is negative.
        """
        self.messages += 1
        dead = (partition, offset) in self.dead or source in self.waiting
        where = (partition, offset) if source is None else source
        try:
            if kind == "erasure" and not dead:
                self._erase(id_bytes(decode_erasure(value).user_id), where)
                return
            rows = decode_rows(value)
            ids = [(id_bytes(row.user_id), id_bytes(row.event_id), row) for row in rows]
        except UNREADABLE:
            if not dead:
                self.undecodable.append((partition, offset))
            return
        if dead:
            self.dead_rows += len(ids)
            return
        self.rows += len(ids)
        for user, event, row in ids:
            if source is not None and self._covers(user, source, partition):
                if event not in self._erased[user]:
                    self._erased[user].add(event)
                    self.erased_unique += 1
            elif row.occurred_at < self._kept_from:
                self._expired[user].add(event)
                if row.occurred_at < start_of(self.retention.announced_by(row.received_at - LONGEST_UNREAD)):
                    self._too_old[user].add(event)
            else:
                self._kept[user] += event

    def users(self) -> Iterator[bytes]:
        """Every user of whom something was sent and not erased."""
        return iter(self._kept.keys() | self._expired.keys())

    def kept(self, user: bytes) -> frozenset[bytes]:
        """The events of a user that have to be stored, each once."""
        return frozenset(_split(self._kept.get(user, b"")))

    def expired(self, user: bytes) -> frozenset[bytes]:
        """The events of a user whose days may be closed."""
        return frozenset(self._expired.get(user, ())) - self.kept(user)

    def too_old(self, user: bytes) -> frozenset[bytes]:
        """The events of a user that were accepted although it had been announced that their day is not kept."""
        return frozenset(self._too_old.get(user, ())) & self.expired(user)

    def erased(self, user: bytes) -> frozenset[bytes]:
        """The events that a user had erased and has not sent again since: none may be shown."""
        return frozenset(self._erased.get(user, ())) - self.kept(user) - self.expired(user)

    @property
    def unique(self) -> int:
        """Unique events sent, erased and expired ones included."""
        kept = sum(len(self.kept(user)) for user in self._kept)
        return kept + sum(len(self.expired(user)) for user in self._expired) + self.erased_unique

    def _covers(self, user: bytes, source: Where, partition: int) -> bool:
        """Whether the user was erased after a message that was redriven since."""
        return any(is_covered(source, partition, erasure) for erasure in self._erasures[user])

    def _erase(self, user: bytes, where: Where) -> None:
        self.erasures += 1
        self._erasures[user].append(where)
        gone = self.kept(user) | self.expired(user)
        self._kept.pop(user, None)
        self._expired.pop(user, None)
        self.erased_unique += len(gone)
        if gone:
            self._erased[user] |= gone


def _split(ids: bytes | bytearray) -> Iterable[bytes]:
    return (bytes(ids[at : at + ID_BYTES]) for at in range(0, len(ids), ID_BYTES))
