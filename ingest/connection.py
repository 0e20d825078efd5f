"""One connection: what uvicorn leaves unbounded is bounded here, before there is a request to answer.

| a client that | meets |
|---|---|
| sends an endless head, or a dripping one | 431 or 408 |
| sends what is no HTTP | 400 |
| never says anything, or falls silent | the keep-alive time |
| sends on after its body was refused, or hides an endless trailer behind it | 413, or the time a head may take |
| sends requests without waiting for answers | `MAX_QUEUED_REQUESTS`; those taken are answered, then it is closed |
| does not read its answers | the kernel's time limit for data nobody takes |
| opens connection after connection | 503 |

An ordinary request pays a few comparisons; a timer runs only while something is incomplete after a read.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ingest.fleet import Fleet
from ingest.http_answer import OneWriteCycle
from ingest.problems import Kind, Problem
from ingest.settings import GatewaySettings
from ingest.tally import Tally

MAX_HEADERS: Final = 100
"""A header of four bytes takes forty times as many once parsed, so their number has a limit of its own."""

MAX_QUEUED_REQUESTS: Final = 16
"""Requests that may wait on one connection for the answer to the one before them."""

MAX_QUEUED_BYTES: Final = 64 * 1024
"""Bytes their bodies may hold; exceeded by one read at most."""

MAX_FRAMING: Final = 8
"""Bytes on the wire for each byte a body may have: six are needed to send it in chunks of one byte."""

LINGER_SECONDS: Final = 2.0
"""How long a client has to be silent after a refusal until the connection is closed. Until then its input is read and
dropped: closing earlier would reset the connection, and the client might never see the answer."""

LONGEST_LINGER_SECONDS: Final = 30.0
"""How long that may take altogether, for a client that goes on sending no more than a body may have. One that sends
more is cut off after `LINGER_SECONDS`."""


COUNT_REFUSAL: Final = "count_refusal"
"""The entry of the application's lifespan state that is called with the kind of each refusal, if there is one."""


class ConnectionLimits(NamedTuple):
    """What clients may take. Sizes in bytes, times in seconds."""

    connections: int
    head_bytes: int
    head_seconds: float
    wire_bytes: int
    unread_seconds: float
    retry_after: int
    open: Tally
    """The connections that each worker has open; `connections` bounds their sum."""

    @classmethod
    def of(cls, settings: GatewaySettings, fleet: Fleet | None = None) -> ConnectionLimits:
        return cls(
            connections=settings.max_connections,
            head_bytes=settings.max_head_bytes,
            head_seconds=settings.head_seconds,
            wire_bytes=settings.max_body_bytes * MAX_FRAMING,
            unread_seconds=settings.unread_seconds,
            retry_after=settings.retry_after_seconds,
            open=(fleet or Fleet()).connections,
        )


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's protocol within limits, writing each answer in one piece. `within` makes the class to use."""

    limits: ClassVar[ConnectionLimits]

    @classmethod
    def within(cls, limits: ConnectionLimits) -> type[GatewayProtocol]:
        """The protocol class with these limits."""
        return type(cls.__name__, (cls,), {"limits": limits})

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deaf = False
        self._lingers_since = 0.0
        self._in_head = False
        self._head_began_now = False
        self._head_bytes = 0
        self._wire_bytes = 0
        self._read_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: Problem | None = None
        self._queued: deque[RequestResponseCycle] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.limits.open.own[0] = len(self.connections)
        if sum(self.limits.open.column(0)) > self.limits.connections:
            # Without lingering, which would hold the very thing there is too much of.
            self._deaf = True
            detail = "The gateway serves as many connections as it may; send the same batch again later."
            self._count("too-many-connections")
            self._write(Problem("too-many-connections", detail, retry_after=self.limits.retry_after))
            transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.limits.unread_seconds * 1000))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        # uvicorn leaves this to run out after a reset, and tells only the newest request.
        self._unset_keepalive_if_required()
        for cycle in self._queued or ():
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)
        self.limits.open.own[0] = len(self.connections)

    def data_received(self, data: bytes) -> None:
        """In place of uvicorn's, which logs every piece of garbage and answers it ahead of what is owed."""
        if self._deaf:
            self._dropped(len(data))
            return
        self._unset_keepalive_if_required()
        self._head_began_now = False
        self._read_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The parser has dropped the body. Without it the request is answered, and nothing after it is read.
            self._refuse(Problem("not-http", "The gateway speaks plain HTTP/1.1 and upgrades to nothing."))
        except httptools.HttpParserError:
            self._refuse(self._refusal or Problem("not-http", "The gateway could not read this as HTTP/1.1."))
        else:
            cycle = self.cycle
            if self._in_head or cycle is None or cycle.response_complete or cycle.more_body:
                self._left_over()

    def _left_over(self) -> None:
        """After a read that ends within a request, or that belongs to none that is being served."""
        cycle = self.cycle
        if self._in_head:
            # In the read it began in, its share is unknown; but one read is a bound in itself.
            if not self._head_began_now:
                self._head_bytes += self._read_bytes
            if self._head_bytes > self.limits.head_bytes or len(self.headers) > MAX_HEADERS:
                self._refuse(self._head_too_large())
                return
        elif cycle is not None and cycle.more_body:
            self._wire_bytes += self._read_bytes
            if self._wire_bytes > self.limits.wire_bytes or len(self.headers) > MAX_HEADERS:
                self._refuse(Problem("body-too-large", "The body takes too many bytes to send; send it in one piece."))
                return
            if not cycle.response_complete:
                # Whoever reads the body watches the time.
                return
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.head_seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        if self.cycle is not None and not self._in_head:
            self.transport.close()
        else:
            detail = f"No complete head came within {self.limits.head_seconds:g} seconds; send the request again."
            self._refuse(Problem("head-late", detail))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._head_began_now = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wire_bytes = 0
        if self._timer is not None:
            self._stop_timer()
        headers = self.headers
        if len(headers) > MAX_HEADERS or (
            self._head_bytes + self._read_bytes > self.limits.head_bytes
            and len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers) > self.limits.head_bytes
        ):
            self._stop(self._head_too_large())
        if self.pipeline and self._queue_is_full():
            self._stop(Problem("rate-limited", "Wait for an answer before sending the next request."))
        before = self.cycle
        super().on_headers_complete()
        if self.pipeline:
            self._queue(before)
        # What the parser still reports are trailers, and no one asked for them.
        self.headers = []
        # The cycle was made just now and its task has not begun; uvicorn offers no way to choose its class.
        if type(self.cycle) is RequestResponseCycle:
            self.cycle.__class__ = OneWriteCycle

    def _queue(self, before: RequestResponseCycle) -> None:
        """Remembers who waits, and the one waited for: one more than the queue may hold."""
        if self._queued is None:
            self._queued = deque(maxlen=MAX_QUEUED_REQUESTS + 1)
        if len(self.pipeline) == 1:
            self._queued.append(before)
        self._queued.append(self.cycle)

    def _queue_is_full(self) -> bool:
        queue = self.pipeline
        return len(queue) >= MAX_QUEUED_REQUESTS or sum(len(cycle.body) for cycle, _ in queue) > MAX_QUEUED_BYTES

    def _head_too_large(self) -> Problem:
        return Problem(
            "head-too-large",
            f"Request line and headers may have {self.limits.head_bytes} bytes and {MAX_HEADERS} headers.",
        )

    def _stop(self, refusal: Problem) -> NoReturn:
        """Ends the parsing from within; `data_received` answers."""
        self._refusal = refusal
        raise httptools.HttpParserError

    def _refuse(self, problem: Problem) -> None:
        """Answers what is not served and ends the connection. An answer that is owed goes first, and is the last."""
        self._deaf = True
        self._count(problem.kind)
        self._stop_timer()
        cycle = self.cycle
        if cycle is not None and cycle.response_complete and cycle.more_body and not self._in_head:
            # It has its answer already.
            self._linger()
            return
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
            # It is this one's body that is refused.
            cycle.disconnected = True
            cycle.message_event.set()
        self._write(problem)
        self._linger()

    def _linger(self) -> None:
        """Drops what comes; closes the connection when nothing does, when it is too much, or when it takes too long."""
        self.flow.resume_reading()
        self._wire_bytes = 0
        self._lingers_since = self.loop.time()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _dropped(self, size: int) -> None:
        if self._timer is None:
            return
        self._stop_timer()
        self._wire_bytes += size
        longest = LINGER_SECONDS if self._wire_bytes > self.limits.wire_bytes else LONGEST_LINGER_SECONDS
        left = self._lingers_since + longest - self.loop.time()
        if left <= 0:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(min(LINGER_SECONDS, left), self.transport.close)

    def _count(self, kind: Kind) -> None:
        if (count := self.app_state.get(COUNT_REFUSAL)) is not None:
            count(kind)

    def _write(self, problem: Problem) -> None:
        """Writes the answer, in one piece, and says that nothing will follow."""
        headers, body = problem.answer()
        parts = [STATUS_LINE[problem.status]]
        for name, value in (*self.server_state.default_headers, *headers, (b"connection", b"close")):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", body)
        self.transport.write(b"".join(parts))
        self.transport.write_eof()
