"""Which dead letters are of users who have been erased since: nothing of them is shown or sent again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from infra.clickhouse.client import connect
from infra.clickhouse.reaching import clickhouse_errors
from infra.kafka.client import partitions_of, topic_id_of
from infra.kafka.dead_letters import DeadLetter
from processors.places import Place, covers
from schemas.envelope import partition_for
from schemas.settings import SharedSettings
from schemas.topics import Source

_ERASURES = """
SELECT DISTINCT toString(user_id), toString(topic_id), kafka_partition, kafka_offset
FROM erasures_data WHERE user_id IN {users:Array(UUID)}
"""


async def erased(settings: SharedSettings, letters: Sequence[DeadLetter]) -> set[Source]:
    """The sources of the letters that an erasure covers. Raises `Unreachable`, `WrongUse`."""
    users = sorted({letter.user_id for letter in letters if letter.user_id is not None})
    if not users:
        return set()
    partitions = len(await partitions_of(settings, settings.events_topic))
    topic_id = await topic_id_of(settings, settings.events_topic)
    erasures = await asyncio.to_thread(_erasures, settings, users)
    return {
        letter.source
        for letter in letters
        if letter.user_id is not None
        and any(
            covers(
                erasure,
                Place(letter.source.topic_id, letter.source.partition, letter.source.offset),
                Place(topic_id, partition_for(letter.user_id, partitions), -1),
            )
            for erasure in erasures[letter.user_id]
        )
    }


def _erasures(settings: SharedSettings, users: Sequence[str]) -> defaultdict[str, list[Place]]:
    found: defaultdict[str, list[Place]] = defaultdict(list)
    with clickhouse_errors(settings), connect(settings) as client:
        for user_id, topic_id, partition, offset in client.query(_ERASURES, parameters={"users": users}).result_rows:
            found[user_id].append(Place(topic_id, int(partition), int(offset)))
    return found
