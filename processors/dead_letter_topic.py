"""The dead-letter topic, written from the flush thread through Faust's producer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from processors.dead_letters import DeadLetter, SetAsideFailed
from processors.settings import ProcessorSettings
from schemas.topics import Source, dead_letter_headers, dead_letter_key

_ACKNOWLEDGE_SECONDS = 30.0


class DeadLetterTopic:
    """Writes dead letters one by one. `beat` is called for each that Kafka acknowledges."""

    def __init__(self, app: faust.App, settings: ProcessorSettings, beat: Callable[[], None]) -> None:
        self._source_topic = settings.events_topic
        self._name = settings.dead_letter_topic
        self._topic = app.topic(self._name, key_serializer="raw", value_serializer="raw", partitions=1)
        self._beat = beat
        self._loop: asyncio.AbstractEventLoop | None = None
        self._acknowledged: set[Source] = set()

    def attach(self) -> None:
        """Says that the producer belongs to the event loop that is running now."""
        self._loop = asyncio.get_running_loop()

    def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Blocks until all are acknowledged; raises `SetAsideFailed` if one is not. Those acknowledged by then are
        not written again when it is called again with all of them."""
        for letter in letters:
            topic_id, partition, offset = letter.message.source
            source = Source(self._source_topic, partition, offset, topic_id)
            if source not in self._acknowledged:
                self._write(letter, source)
                self._acknowledged.add(source)
                self._beat()
        self._acknowledged.clear()

    def _write(self, letter: DeadLetter, source: Source) -> None:
        assert self._loop is not None
        writing = asyncio.run_coroutine_threadsafe(self._send(letter, source), self._loop)
        try:
            writing.result(_ACKNOWLEDGE_SECONDS)
        except (KafkaError, ProducerSendError, TimeoutError) as error:
            writing.cancel()
            cause = error.__cause__ if isinstance(error, ProducerSendError) else error
            if isinstance(cause, MessageSizeTooLargeError | RecordListTooLargeError):
                raise SetAsideFailed(
                    f"the poison at partition {source.partition} offset {source.offset} "
                    f"({len(letter.message.value)} bytes) is larger than {self._name} takes; run `convergio migrate`, "
                    "or raise that topic's max.message.bytes further"
                ) from error
            raise SetAsideFailed(f"dead letters are not acknowledged: {cause!r}") from error

    async def _send(self, letter: DeadLetter, source: Source) -> None:
        message = letter.message
        acknowledged = await self._topic.send(
            key=dead_letter_key(source),
            value=message.value,
            headers=dead_letter_headers(source, letter.reason, message.key, message.headers),
        )
        await acknowledged
