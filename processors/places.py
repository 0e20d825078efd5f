"""Where messages come from, and which of them an erasure covers. Pure."""

from __future__ import annotations

from typing import NamedTuple

from schemas.topics import may_be_one_topic


class Place(NamedTuple):
    """A message's topic (Kafka's id of it, which a topic made anew does not keep), partition and offset."""

    topic_id: str
    partition: int
    offset: int

    def same_log(self, other: Place) -> bool:
        """Whether the offsets of both can be compared. An unknown topic is taken for the other one."""
        return self.partition == other.partition and may_be_one_topic(self.topic_id, other.topic_id)


def covers(erasure: Place, source: Place, read_from: Place) -> bool:
    """Whether an erasure of a user covers what they sent with a message.

    `source` is where the message first stood, `read_from` where it stands now: they differ after a redrive. In
    one log the offsets decide. Another log than the one that the user's messages go to now is an older one: everything
    from it came before an erasure in the present one, and nothing in the present one before an erasure in an older.
    """
    if erasure.same_log(source):
        return source.offset <= erasure.offset
    return erasure.same_log(read_from) and not source.same_log(read_from)
