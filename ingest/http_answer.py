"""An answer in one write. uvicorn writes head and body apart: twice the system calls, twice the packets."""

from __future__ import annotations

from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class OneWriteCycle(RequestResponseCycle):
    """Keeps an answer's head back until its body is there, and writes both when that is the whole answer.

    Streamed answers, HEAD, and answers to slow readers go uvicorn's own way.
    """

    _head: ASGISendEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        head = self._head
        if head is None:
            if self.response_started or message["type"] != "http.response.start":
                await super().send(message)
            else:
                self._head = message
            return
        self._head = None
        if self.flow.write_paused or self.disconnected or not self._joined(head, message):
            await super().send(head)
            await super().send(message)

    def _joined(self, head_event: ASGISendEvent, body_event: ASGISendEvent) -> bool:
        """Writes the answer if it is one of known length; else does nothing and returns false."""
        head, message = cast("dict[str, Any]", head_event), cast("dict[str, Any]", body_event)
        if message.get("more_body"):
            return False
        body: bytes = message.get("body", b"")
        length = b"%d" % len(body)
        known = False
        parts = [STATUS_LINE[head["status"]]]
        for name, value in (*self.default_headers, *head["headers"]):
            if name == b"content-length":
                known = value == length
            elif name == b"connection":
                return False
            parts += (name, b": ", value, b"\r\n")
        if not known or self.scope["method"] == "HEAD":
            return False
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(parts))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True
