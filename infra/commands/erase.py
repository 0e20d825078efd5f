"""`convergio erase USER`: forgets a user."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import out

if TYPE_CHECKING:
    from infra.settings import Settings


def erase(
    user: Annotated[str, typer.Argument(help="The user's id, a UUID.")],
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until nothing of theirs is left; 0: do not wait.")
    ] = 0.0,
) -> None:
    """Erase everything a user has sent so far.

    The request goes through the user's own partition: what came before it goes, what they send later stays. Sums that
    hold no id keep what was counted.
    """
    from datetime import UTC, datetime

    from infra.errors import WrongUse
    from infra.kafka.erasures import request_erasure
    from infra.kafka.permissions import ERASER
    from infra.kafka.requirements import require
    from infra.settings import load
    from schemas.ids import are_canonical

    user = user.lower()
    if not are_canonical([user]):
        raise WrongUse(f"{user!r} is not a user id; it looks like 6f1c2d9e-0000-4000-8000-000000000000")
    settings = load()
    asyncio.run(require(settings, ERASER))
    place = asyncio.run(request_erasure(settings, user, datetime.now(UTC)))
    out.print(f"asked to erase {user} (partition {place[0]}, offset {place[1]})")
    if wait:
        asyncio.run(_wait_until_gone(settings, user, place, wait))
        out.print(f"erased: nothing that {user} had sent before is left")


async def _wait_until_gone(settings: Settings, user: str, place: tuple[int, int], wait: float) -> None:
    from infra.clickhouse.client import connect
    from infra.clickhouse.reaching import clickhouse_errors
    from infra.errors import Unreachable

    query = """
        SELECT
            (SELECT uniqExact(kafka_offset) FROM erasures_data
             WHERE kafka_partition = {partition:UInt16} AND kafka_offset = {offset:UInt64} AND user_id = {user:UUID}),
            (SELECT count() FROM events
             WHERE user_id = {user:UUID} AND kafka_partition = {partition:UInt16} AND kafka_offset < {offset:UInt64})
    """
    parameters = {"user": user, "partition": place[0], "offset": place[1]}
    deadline = asyncio.get_running_loop().time() + wait
    with clickhouse_errors(settings), await asyncio.to_thread(connect, settings) as client:
        while True:
            result = await asyncio.to_thread(client.query, query, parameters)
            if tuple(result.result_rows[0]) == (1, 0):
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise Unreachable(
                    f"not erased within {wait:g} s, but the request is kept and will be carried out; "
                    "are the processors running?"
                )
            await asyncio.sleep(0.2)
