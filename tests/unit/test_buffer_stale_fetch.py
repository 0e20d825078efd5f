"""A fetch that was handed on twice: the second copy must not move a watermark back."""

from __future__ import annotations

import pytest

from processors.buffer import MessageBuffer
from processors.envelopes import Message
from processors.ownership import DeliveryError, Fetch, Ownerships
from processors.settings import ProcessorSettings


@pytest.mark.xfail(raises=DeliveryError, strict=True, reason="a batch ends where the second copy of a fetch ends")
async def test_a_fetch_that_was_received_before_ends_where_the_partition_was_received_to() -> None:
    ownerships = Ownerships()
    buffer = MessageBuffer(ProcessorSettings(flush_seconds=1e-9), ownerships, lambda: 0.0)
    ownership = ownerships.begin(0, 0)
    messages = [Message(0, offset, None, b"x\n", []) for offset in range(3)]
    await buffer.put(Fetch(ownership, 0, messages, 3))
    await buffer.take()
    ownership.store(3)
    await buffer.put(Fetch(ownership, 0, messages[:2], 2))
    batch = await buffer.take()
    assert batch is not None
    for owner, ends in batch.ends.items():
        owner.store(ends)
    assert ownership.stored == 3
