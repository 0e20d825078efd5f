import asyncio

from processors.envelopes import Message
from processors.inbox import Inbox
from processors.settings import ProcessorSettings


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def inbox(**settings: float) -> Inbox:
    return Inbox(ProcessorSettings.model_validate({"flush_seconds": 1e-9, **settings}), Clock())


def message(offset: int, partition: int = 0, lines: int = 1) -> Message:
    return Message(partition, offset, None, b"x\n" * lines, [])


async def offsets(box: Inbox) -> list[int]:
    return [delivery.message.offset for delivery in await box.take()]


async def test_messages_come_out_in_order() -> None:
    box = inbox()
    for offset in range(3):
        await box.put(message(offset), lambda: None)
    assert await offsets(box) == [0, 1, 2]


async def test_one_take_is_bounded_in_events() -> None:
    box = inbox(flush_events=4)
    for offset in range(3):
        await box.put(message(offset, lines=3), lambda: None)
    assert await offsets(box) == [0, 1]
    assert await offsets(box) == [2]


async def test_one_take_is_bounded_in_bytes() -> None:
    box = inbox(flush_bytes=4)
    for offset in range(3):
        await box.put(message(offset), lambda: None)
    assert await offsets(box) == [0, 1]


async def test_a_full_inbox_holds_the_consumer_back_until_there_is_room() -> None:
    box = inbox(buffer_bytes=4)
    await box.put(message(0, lines=2), lambda: None)
    held = asyncio.ensure_future(box.put(message(1), lambda: None))
    done, _ = await asyncio.wait({held}, timeout=0.05)
    assert not done
    assert await offsets(box) == [0]
    await asyncio.wait_for(held, 5)
    assert await offsets(box) == [1]


async def test_messages_of_a_partition_given_away_are_left_to_its_next_owner() -> None:
    box = inbox()
    await box.put(message(0, partition=1), lambda: None)
    await box.put(message(0, partition=2), lambda: None)
    box.disown([1])
    await box.put(message(7, partition=1), lambda: None)
    taken = await box.take()
    assert [(each.message.partition, each.message.offset) for each in taken] == [(2, 0), (1, 7)]


async def test_a_partition_that_comes_back_has_forgotten_its_users() -> None:
    box = inbox()
    await box.put(message(0), lambda: None)
    (first,) = await box.take()
    box.disown([0])
    await box.put(message(0), lambda: None)
    (second,) = await box.take()
    assert first.ownership.lost
    assert second.ownership.cache is not first.ownership.cache


async def test_closing_lets_a_waiting_take_go() -> None:
    box = inbox()
    taking = asyncio.ensure_future(box.take())
    await asyncio.sleep(0)
    box.close()
    assert await asyncio.wait_for(taking, 5) == []


async def test_it_holds_what_came_and_is_not_acknowledged() -> None:
    box = inbox()
    assert not box.holds(0, 7)
    await box.put(message(7), lambda: None)
    assert box.holds(0, 7)
    assert not box.holds(0, 8)
    (delivery,) = await box.take()
    assert box.holds(0, 7)
    delivery.acknowledge()
    assert not box.holds(0, 7)
    box.disown([0])
    assert not box.holds(0, 8)


async def test_while_it_is_full_it_holds_up_what_has_not_come() -> None:
    box = inbox(buffer_bytes=2)
    await box.put(message(7), lambda: None)
    assert box.holds(0, 8)
    assert box.holds(1, 0)
    assert not box.holds(0, 6)
    await box.take()
    assert not box.holds(1, 0)
