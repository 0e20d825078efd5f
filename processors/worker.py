"""The Faust wiring: one agent that fills the inbox, one task that flushes it, one that watches both.

Faust brings the consumer group, partitions, rebalances, commits and signals. State is not kept in its tables but
read back from ClickHouse, so that recovery after a crash is an ordinary cache miss.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.types import TP, EventT, StreamT

from processors.broker import broker_credentials, broker_urls
from processors.dead_letters import DeadLetter
from processors.envelopes import Message
from processors.flush import Flusher
from processors.health import Health, HealthServer
from processors.inbox import Inbox
from processors.loop import FlushLoop, SetAsideFailed
from processors.metrics import ProcessorMetrics
from processors.offsets import CommitWatch, OffsetReader
from processors.settings import ProcessorSettings
from processors.sink import Sink
from schemas import logs
from schemas.topics import Source, dead_letter_headers, dead_letter_key

log = logging.getLogger(__name__)

# A consumer held back by a long outage of ClickHouse must stay in its group: what a silent loop means is for
# `processors.health` to say, not for the broker's poll timer.
_MAX_POLL_INTERVAL_SECONDS = 7 * 86_400.0
_MAX_MESSAGE_BYTES = 8 << 20
_SET_ASIDE_SECONDS = 30.0
_STOP_GRACE_SECONDS = 10.0
_WATCH_SECONDS = 2.0


def create_app(settings: ProcessorSettings) -> faust.App:
    """A Faust app that processes the events topic; `faust -A processors worker` runs it as well."""
    # Without it Faust fails at the start, and takes its time to say so.
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.consumer_group,
        broker=broker_urls(settings),
        broker_credentials=broker_credentials(settings),
        datadir=settings.data_dir,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=_MAX_MESSAGE_BYTES,
        producer_max_request_size=_MAX_MESSAGE_BYTES,
        broker_commit_interval=0.5,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 5,
        broker_max_poll_interval=_MAX_POLL_INTERVAL_SECONDS,
        # Faust's defaults starve a fast consumer; memory is bounded by the inbox, in bytes.
        broker_max_poll_records=1000,
        stream_buffer_maxsize=1024,
        # At a rebalance and at the end what is unacknowledged is read again: by the next owner, or after `_stop`.
        stream_wait_empty=False,
        web_enabled=False,
    )
    _Processor(app, settings)
    return app


def serve(settings: ProcessorSettings) -> None:
    """Runs a processor until SIGTERM or SIGINT; what was read by then is flushed and committed first."""
    app = create_app(settings)
    app.finalize()
    app.worker_init()
    app.worker_init_post_autodiscover()
    worker = faust.Worker(
        app,
        quiet=True,
        redirect_stdouts=False,
        loglevel=settings.log_level,
        logging_config=logs.config("processors", settings.log_level),
    )
    worker.execute_from_commandline()


class _Processor:
    """The parts of one processor, tied to the life of its Faust app."""

    def __init__(self, app: faust.App, settings: ProcessorSettings) -> None:
        self._app = app
        self._settings = settings
        self._events = app.topic(settings.events_topic, key_serializer="raw", value_serializer="raw")
        self._dead_letters = app.topic(
            settings.dead_letter_topic, key_serializer="raw", value_serializer="raw", partitions=1
        )
        self._metrics = ProcessorMetrics()
        self._health = Health(time.monotonic, settings.heartbeat_seconds)
        self._server = HealthServer(
            self._health, self._metrics.registry, settings.processor_host, settings.processor_port
        )
        self._inbox = Inbox(settings, time.monotonic)
        sink = Sink(settings)
        self._flush_loop = FlushLoop(
            settings,
            self._inbox,
            Flusher(settings, sink, self._set_aside),
            sink,
            self._health,
            self._metrics,
            _now,
        )
        self._offsets = OffsetReader(settings)
        self._commits = CommitWatch(time.monotonic, settings.heartbeat_seconds)
        self._event_loop: asyncio.AbstractEventLoop | None = None
        app.agent(self._events, name="receive", concurrency=1)(self._receive)
        app.task(self._flush)
        app.task(self._watch)
        app.on_worker_init.connect(self._begin, weak=False)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        app.on_before_shutdown.connect(self._stop, weak=False)

    def _begin(self, *args: Any, **kwargs: Any) -> None:
        self._server.start()

    async def _receive(self, stream: StreamT[Any]) -> None:
        assert isinstance(stream, faust.Stream)
        async for event in stream.noack().events():
            await self._inbox.put(_message(event), event.ack)

    async def _flush(self) -> None:
        self._event_loop = asyncio.get_running_loop()
        # What exists now stays for good, and the rest is freed by reference counts: looking for cycles among a
        # million cached events would cost a fifth of the time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        await self._flush_loop.run()

    async def _watch(self) -> None:
        """Keeps the gauges up to date, and notices commits that stand still."""
        while not self._app.should_stop:
            await self._app.sleep(_WATCH_SECONDS)
            self._metrics.inbox_bytes.set(self._inbox.waiting_bytes)
            since = self._flush_loop.in_flight_since or self._inbox.oldest
            self._metrics.oldest_unflushed.set(time.monotonic() - since if since is not None else 0.0)
            try:
                async with asyncio.timeout(_WATCH_SECONDS * 5):
                    progress = await self._offsets.read(self._inbox.owned)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("offsets cannot be read", extra={"reason": str(error)})
                await self._offsets.close()
                continue
            self._metrics.show_lag(progress)
            if self._health.hindrance is None:
                self._health.commits_stalled(self._commits.stalled(progress))
            else:
                self._commits.reset()

    async def _assigned(self, *args: Any, **kwargs: Any) -> None:
        assigned: set[TP] = args[1]
        log.info("partitions taken over", extra={"partitions": sorted(place.partition for place in assigned)})

    async def _revoked(self, *args: Any, **kwargs: Any) -> None:
        revoked: set[TP] = args[1]
        partitions = sorted(place.partition for place in revoked)
        log.info("partitions given away", extra={"partitions": partitions})
        self._inbox.disown(partitions)

    async def _stop(self, *args: Any, **kwargs: Any) -> None:
        if not await self._flush_loop.stop(_STOP_GRACE_SECONDS):
            log.warning("stopped with messages unflushed, they will be read again")
        await self._offsets.close()
        self._server.close()

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Writes dead letters, from the flush thread; raises `SetAsideFailed` unless all are acknowledged."""
        assert self._event_loop is not None
        writing = asyncio.run_coroutine_threadsafe(self._write_dead_letters(letters), self._event_loop)
        try:
            writing.result(_SET_ASIDE_SECONDS)
        except (KafkaError, TimeoutError) as error:
            writing.cancel()
            raise SetAsideFailed(f"dead letters are not acknowledged: {error!r}") from error

    async def _write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            message = letter.message
            source = Source(self._settings.events_topic, message.partition, message.offset)
            acknowledged = await self._dead_letters.send(
                key=dead_letter_key(source),
                value=message.value,
                headers=dead_letter_headers(source, letter.reason, message.key, message.headers),
            )
            await acknowledged


def _message(event: EventT[bytes]) -> Message:
    source: Any = event.message
    headers: dict[str, bytes] | list[tuple[str, bytes]] = source.headers or []
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    return Message(source.partition, source.offset, source.key, source.value or b"", pairs)


def _now() -> datetime:
    return datetime.now(UTC)
