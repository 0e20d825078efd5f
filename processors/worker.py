"""The Faust wiring: one agent that fills the message buffer, one task that flushes it, one that watches both.

Faust brings the agent, the consumer group, rebalances, signals and the lifecycle. Positions and commits are ours
(`processors.transport`). State is not kept in Faust's tables but read back from ClickHouse, so that recovery after a
crash is an ordinary cache miss.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from datetime import UTC, datetime
from typing import Any

import faust
from aiokafka.errors import InvalidSessionTimeoutError, KafkaError
from faust.types import TP, StreamT

from processors.broker import broker_credentials, broker_urls
from processors.buffer import MessageBuffer
from processors.dead_letter_topic import DeadLetterTopic
from processors.flush import Flusher
from processors.health import Health, HealthServer
from processors.housekeeping import Housekeeping
from processors.loop import FlushLoop
from processors.metrics import ProcessorMetrics
from processors.offsets import CommitWatch, OffsetReader
from processors.ownership import Fetch, Ownerships
from processors.settings import ProcessorSettings
from processors.sink import Sink
from processors.transport import AUTO_OFFSET_RESET, Consumer, Transport
from schemas import logs
from schemas.certificates import clickhouse_certificates, kafka_certificates

log = logging.getLogger(__name__)

# A consumer held back by a long outage of ClickHouse must stay in its group: what a silent loop means is for
# `processors.health` to say, not for the broker's poll timer.
_MAX_POLL_INTERVAL_SECONDS = 7 * 86_400.0
_MAX_MESSAGE_BYTES = 8 << 20
_NO_LIMIT = 2**31 - 1
_STOP_GRACE_SECONDS = 10.0
_REQUEST_SECONDS = 90.0
# A member hears of another's coming and going with its next heartbeat: until then nobody processes what changes hands.
_KAFKA_HEARTBEAT_SECONDS = 1.0
_WATCH_SECONDS = 2.0
_METADATA_SECONDS = 30.0


def create_app(settings: ProcessorSettings) -> faust.App:
    """A Faust app that processes the events topic; `faust -A processors worker` runs it as well."""
    # Without it Faust fails at the start, and takes its time to say so.
    settings.folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.consumer_group,
        broker=broker_urls(settings),
        broker_credentials=broker_credentials(settings),
        # It is a format string to Faust.
        datadir=str(settings.folder).replace("{", "{{").replace("}", "}}"),
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        # `convergio migrate` creates the topics; a processor need not be allowed to.
        topic_allow_declare=False,
        consumer_auto_offset_reset=AUTO_OFFSET_RESET,
        consumer_max_fetch_size=_MAX_MESSAGE_BYTES,
        # Partitions that were added, and a topic made anew, are seen that soon.
        consumer_metadata_max_age_ms=round(_METADATA_SECONDS * 1000),
        # How large a dead letter may be is for the broker to say.
        producer_max_request_size=_NO_LIMIT,
        broker_commit_interval=0.5,
        broker_session_timeout=settings.session_timeout_seconds,
        # Faust wants it to be longer than a session.
        broker_request_timeout=max(_REQUEST_SECONDS, settings.session_timeout_seconds * 1.5),
        broker_heartbeat_interval=min(_KAFKA_HEARTBEAT_SECONDS, settings.session_timeout_seconds / 5),
        broker_max_poll_interval=_MAX_POLL_INTERVAL_SECONDS,
        # Records of one poll. A stream holds few polls: memory is bounded by the message buffer, in bytes.
        broker_max_poll_records=2000,
        stream_buffer_maxsize=2,
        # At a rebalance and at the end what is unacknowledged is read again: by the next owner, or after `_stop`.
        stream_wait_empty=False,
        web_enabled=False,
        # `faust worker` starts it all the same unless it is told `--without-web`.
        web_bind=settings.processor_host,
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
        self._metrics = ProcessorMetrics(kafka_certificates(settings) | clickhouse_certificates(settings))
        self._health = Health(time.monotonic, settings.heartbeat_seconds)
        self._server = HealthServer(
            self._health, self._metrics.registry, settings.processor_host, settings.processor_port
        )
        self._ownerships = Ownerships()
        app.transport = Transport(app, self._ownerships, self._passed_over, self._kept_out)
        self._buffer = MessageBuffer(settings, self._ownerships, time.monotonic)
        self._dead_letters = DeadLetterTopic(app, settings, self._health.beat)
        self._housekeeping = Housekeeping(settings, Sink(settings), self._metrics, _now)
        self._flush_loop = FlushLoop(
            settings,
            self._buffer,
            Flusher(settings, Sink(settings, self._health.beat)),
            self._dead_letters.set_aside,
            self._health,
            self._metrics,
            self._housekeeping.erased,
            time.monotonic,
        )
        self._offsets = OffsetReader(settings)
        self._partitions: set[int] = set()
        self._commits = CommitWatch(time.monotonic, settings.heartbeat_seconds)
        app.agent(self._events, name="receive", concurrency=1)(self._receive)
        app.task(self._flush)
        app.task(self._housekeeping.run)
        app.task(self._watch)
        app.on_worker_init.connect(self._begin, weak=False)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        app.on_before_shutdown.connect(self._stop, weak=False)

    def _begin(self, *args: Any, **kwargs: Any) -> None:
        self._server.start()

    async def _receive(self, stream: StreamT[Any]) -> None:
        assert isinstance(stream, faust.Stream)
        consumer = self._app.consumer
        assert isinstance(consumer, Consumer)
        async for event in stream.noack().events():
            fetch: Any = event.message.value
            await consumer.deliver(fetch, self._buffer)

    async def _flush(self) -> None:
        self._dead_letters.attach()
        # What exists now stays for good, and the rest is freed by reference counts: looking for cycles among a
        # million cached events would cost a fifth of the time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        await self._flush_loop.run()

    async def _watch(self) -> None:
        """Keeps the gauges up to date, and notices commits that stand still."""
        while not self._app.should_stop:
            await self._app.sleep(_WATCH_SECONDS)
            self._metrics.inbox_bytes.set(self._buffer.waiting_bytes)
            since = self._flush_loop.in_flight_since or self._buffer.oldest
            self._metrics.oldest_unflushed.set(time.monotonic() - since if since is not None else 0.0)
            try:
                async with asyncio.timeout(_WATCH_SECONDS * 5):
                    consumer = self._app.consumer
                    assert isinstance(consumer, Consumer)
                    await consumer.check_topic()
                    progress = await self._offsets.read(self._partitions)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("offsets cannot be read", extra={"reason": str(error)})
                await self._offsets.close()
                self._commits.reset()
                continue
            self._metrics.show_lag(progress)
            if self._health.waits:
                self._commits.reset()
            stalled = self._commits.stalled(progress, self._buffer.holds)
            if stalled:
                log.error("commits stand still", extra={"reason": stalled})
            self._health.commits_stalled(stalled)

    async def _assigned(self, *args: Any, **kwargs: Any) -> None:
        assigned: set[TP] = args[1]
        self._partitions = {place.partition for place in assigned if place.topic == self._settings.events_topic}
        self._health.kept_out(None)
        log.info("partitions taken over", extra={"partitions": sorted(self._partitions)})

    async def _revoked(self, *args: Any, **kwargs: Any) -> None:
        revoked: set[TP] = args[1]
        partitions = sorted(place.partition for place in revoked)
        log.info("partitions given away", extra={"partitions": partitions})
        self._partitions -= set(partitions)

    def _passed_over(self, fetch: Fetch) -> None:
        partition = fetch.ownership.partition
        self._metrics.missing_offsets(partition, fetch.missing)
        log.error(
            "the log holds no record at some offsets; they are passed over",
            extra={"partition": partition, "from": fetch.begins, "to": fetch.ends, "missing": fetch.missing},
        )

    def _kept_out(self, error: KafkaError) -> None:
        reason = f"Kafka keeps this processor out of the group {self._settings.consumer_group}: {error}"
        if isinstance(error, InvalidSessionTimeoutError):
            reason = (
                f"Kafka refuses CONVERGIO_SESSION_TIMEOUT_SECONDS={self._settings.session_timeout_seconds:g}: brokers "
                "allow group.min.session.timeout.ms (6000 by default) to group.max.session.timeout.ms (1800000)"
            )
        if self._health.kept_out(reason):
            log.error("kept out of the group, trying again", extra={"reason": reason})

    async def _stop(self, *args: Any, **kwargs: Any) -> None:
        if not await self._flush_loop.stop(_STOP_GRACE_SECONDS):
            log.warning("stopped with messages unflushed, they will be read again")
        self._housekeeping.stop()
        await self._offsets.close()
        self._server.close()


def _now() -> datetime:
    return datetime.now(UTC)
