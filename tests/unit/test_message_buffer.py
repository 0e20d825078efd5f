import asyncio

import pytest

from processors.buffer import MessageBuffer
from processors.envelopes import Message
from processors.ownership import Fetch, FetchLost, Ownership, Ownerships
from processors.settings import ProcessorSettings


class Buffer(MessageBuffer):
    """A buffer on a clock that stands still; it waits for nothing."""

    def __init__(self, **settings: float) -> None:
        super().__init__(
            ProcessorSettings.model_validate({"flush_seconds": 1e-9, **settings}), Ownerships(), lambda: 0.0
        )
        self.ownerships.begin(0, 0)
        self.ownerships.begin(1, 0)

    async def offsets(self) -> list[tuple[int, int]]:
        batch = await self.take()
        return [] if batch is None else [(message.partition, message.offset) for message in batch.messages]


def fetch(ownership: Ownership, *offsets: int, lines: int = 1, ends: int | None = None) -> Fetch:
    messages = [Message(ownership.partition, offset, None, b"x\n" * lines, []) for offset in offsets]
    return Fetch(ownership, offsets[0], messages, offsets[-1] + 1 if ends is None else ends)


async def test_messages_come_out_in_order() -> None:
    buffer = Buffer()
    await buffer.put(fetch(buffer.ownerships[0], 0, 1))
    await buffer.put(fetch(buffer.ownerships[0], 2))
    assert await buffer.offsets() == [(0, 0), (0, 1), (0, 2)]


async def test_one_batch_is_bounded_in_events_and_ends_within_a_fetch() -> None:
    buffer = Buffer(flush_events=4)
    ownership = buffer.ownerships[0]
    await buffer.put(fetch(ownership, 0, 1, 2, lines=3))
    first, second = await buffer.take(), await buffer.take()
    assert first is not None and second is not None
    assert ([each.offset for each in first.messages], first.ends) == ([0, 1], {ownership: 2})
    assert ([each.offset for each in second.messages], second.ends) == ([2], {ownership: 3})


async def test_one_batch_is_bounded_in_bytes() -> None:
    buffer = Buffer(flush_bytes=4)
    await buffer.put(fetch(buffer.ownerships[0], 0, 1, 2))
    assert await buffer.offsets() == [(0, 0), (0, 1)]


async def test_a_full_buffer_holds_the_consumer_back_until_there_is_room() -> None:
    buffer = Buffer(buffer_bytes=4)
    await buffer.put(fetch(buffer.ownerships[0], 0, lines=2))
    held = asyncio.ensure_future(buffer.put(fetch(buffer.ownerships[0], 1)))
    done, _ = await asyncio.wait({held}, timeout=0.05)
    assert not done
    assert await buffer.offsets() == [(0, 0)]
    await asyncio.wait_for(held, 5)
    assert await buffer.offsets() == [(0, 1)]


async def test_messages_of_a_revoked_partition_are_dropped() -> None:
    buffer = Buffer()
    await buffer.put(fetch(buffer.ownerships[1], 0))
    await buffer.put(fetch(buffer.ownerships[0], 0))
    late = fetch(buffer.ownerships[1], 1)
    buffer.ownerships.revoke([1])
    await buffer.put(late)
    await buffer.put(fetch(buffer.ownerships.begin(1, 7), 7))
    assert await buffer.offsets() == [(0, 0), (1, 7)]


async def test_a_fetch_behind_one_that_was_lost_is_refused() -> None:
    buffer = Buffer()
    await buffer.put(fetch(buffer.ownerships[0], 0))
    with pytest.raises(FetchLost, match="received up to 1, next is 2"):
        await buffer.put(fetch(buffer.ownerships[0], 2))
    assert await buffer.offsets() == [(0, 0)]


async def test_a_second_copy_of_a_fetch_moves_no_watermark_back() -> None:
    buffer = Buffer()
    ownership = buffer.ownerships[0]
    await buffer.put(fetch(ownership, 0, 1, 2))
    await buffer.put(fetch(ownership, 0, 1))
    batch = await buffer.take()
    assert batch is not None
    assert batch.ends == {ownership: 3}
    ownership.store(3)
    await buffer.put(fetch(ownership, 0, 1))
    await buffer.put(fetch(ownership, 2, 3))
    batch = await buffer.take()
    assert batch is not None
    assert ([each.offset for each in batch.messages], batch.ends) == ([3], {ownership: 4})


async def test_offsets_without_a_message_move_the_end_of_the_batch() -> None:
    buffer = Buffer()
    ownership = buffer.ownerships[0]
    await buffer.put(Fetch(ownership, 0, [], 3))
    batch = await buffer.take()
    assert batch is not None
    assert (batch.messages, batch.ends) == ([], {ownership: 3})


async def test_closing_lets_a_waiting_take_go() -> None:
    buffer = Buffer()
    taking = asyncio.ensure_future(buffer.take())
    await asyncio.sleep(0)
    buffer.close()
    assert await asyncio.wait_for(taking, 5) is None


async def test_it_holds_what_was_received_and_is_not_stored() -> None:
    buffer = Buffer()
    ownership = buffer.ownerships.begin(0, 7)
    assert not buffer.holds(0, 7)
    await buffer.put(fetch(ownership, 7))
    assert buffer.holds(0, 7)
    assert not buffer.holds(0, 8)
    await buffer.take()
    assert buffer.holds(0, 7)
    ownership.store(8)
    assert not buffer.holds(0, 7)


async def test_while_it_is_full_it_holds_up_what_has_not_come() -> None:
    buffer = Buffer(buffer_bytes=2)
    await buffer.put(fetch(buffer.ownerships.begin(0, 7), 7))
    assert buffer.holds(0, 8)
    assert buffer.holds(1, 0)
    assert not buffer.holds(0, 6)
    await buffer.take()
    assert not buffer.holds(1, 0)
