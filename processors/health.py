"""Whether a processor still does its work, answered over HTTP from a thread of its own.

Outside of Faust and of the event loop, so that a wedged loop is reported instead of hidden by its own silence.
`/healthz` says whether a restart would help, `/readyz` whether the work goes on, `/metrics` the series.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry

from schemas.addresses import is_all_ipv6, url
from schemas.exposition import exposed

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_PLAIN = "text/plain; charset=utf-8"

_CLIENT_SECONDS = 5
"""How long a client may take for each part of its request."""


class Health:
    """What the flush loop last said of itself; written by the loop, read by any thread.

    Times are monotonic seconds. A loop that waits for ClickHouse still beats; one that is stuck does not.
    """

    def __init__(self, clock: Callable[[], float], heartbeat_seconds: float) -> None:
        self._clock = clock
        self._limit = heartbeat_seconds
        self._beat = clock()
        self._stalled: str | None = None
        self._kept_out: str | None = None
        self._waiting_for: str | None = "the first assignment of partitions"

    def beat(self) -> None:
        """The loop made a step."""
        self._beat = self._clock()

    def going(self) -> None:
        """The work goes on."""
        self.beat()
        self._waiting_for = None

    def waiting(self, reason: str) -> None:
        """The loop lives but cannot go on, and a restart would not help."""
        self.beat()
        self._waiting_for = reason

    def kept_out(self, reason: str | None) -> bool:
        """Kafka does not take the processor into its group (`None`: it does), and a restart would not help.

        Returns whether that is news.
        """
        news = reason != self._kept_out
        self._kept_out = reason
        self.beat()
        return news

    def commits_stalled(self, reason: str | None) -> None:
        """Commits stand still although there is work (`None`: they do not); only a restart helps."""
        self._stalled = reason

    @property
    def waits(self) -> bool:
        """Whether the loop cannot go on for a reason that is known."""
        return self._waiting_for is not None

    @property
    def sickness(self) -> str | None:
        """Why the processor should be restarted; `None` if it should not."""
        silence = self._clock() - self._beat
        if silence > self._limit:
            return f"the flush loop has been silent for {silence:.0f} s"
        return self._stalled

    @property
    def hindrance(self) -> str | None:
        """Why the work does not go on; `None` if it does."""
        return self.sickness or self._kept_out or self._waiting_for


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def handle(self) -> None:
        """Answers one request, or hangs up on a client that does not send a whole one."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """A probe every few seconds is not news."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection: no client, whatever it does or leaves undone, holds up another's probe."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6 and is_all_ipv6(str(self.server_address[0])):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6


class HealthServer:
    """Serves `/healthz`, `/readyz` and `/metrics` until closed."""

    def __init__(self, health: Health, registry: CollectorRegistry, host: str, port: int) -> None:
        """Raises `OSError` if the address is taken."""
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server = _Ipv6Server if family == socket.AF_INET6 else _Server
        self._url = url(host, port)
        self._server: WSGIServer = make_server(host, port, _app(health, registry), server, _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        """Begins to answer; saying so again changes nothing (Faust announces a worker twice)."""
        if self._thread.ident is None:
            self._thread.start()
            log.info("listening", extra={"url": self._url})

    def close(self) -> None:
        """Stops answering and frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _app(health: Health, registry: CollectorRegistry) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, content_type, body = _answer(environ["PATH_INFO"], environ.get("HTTP_ACCEPT", ""))
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(path: str, accept: str) -> tuple[str, str, bytes]:
        """Status, content type and body."""
        if path == "/metrics":
            body, content_type = exposed(registry, accept)
            return "200 OK", content_type, body
        if path == "/healthz":
            return _say(health.sickness)
        if path == "/readyz":
            return _say(health.hindrance)
        return "404 Not Found", _PLAIN, b"there are /healthz, /readyz and /metrics\n"

    return answer


def _say(trouble: str | None) -> tuple[str, str, bytes]:
    status = "200 OK" if trouble is None else "503 Service Unavailable"
    return status, _PLAIN, f"{trouble or 'ok'}\n".encode()
