"""Reads a request's body: bounded as sent, bounded while inflating, bounded in time."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, Literal, Protocol

from ingest.budget import ByteBudget
from ingest.deadlines import Deadlines
from ingest.problems import Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's `receive`: the server's own message types are untyped dictionaries."""

Encoding = Literal["gzip", "zstd"]

# RFC 9659: no decoder for HTTP need support windows over 8 MiB, so a small body cannot claim a large one.
ZSTD_OPTIONS: Final = {zstd.DecompressionParameter.window_log_max.value: 23}

MAX_PARTS: Final = 64
"""Members of gzip, or frames of zstd, in one body. Each, even an empty one, costs a copy of all that follow it."""

MEDIA_TYPES: Final = frozenset({b"application/json", b"text/plain"})
ENCODINGS: Final[Mapping[bytes, Encoding | None]] = {
    b"": None,
    b"identity": None,
    b"gzip": "gzip",
    b"x-gzip": "gzip",
    b"zstd": "zstd",
}


class ClientGone(Exception):
    """The client closed the connection before its body was complete."""


class _Inflater(Protocol):
    """What zlib's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def _inflater(encoding: Encoding) -> _Inflater:
    if encoding == "gzip":
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    return zstd.ZstdDecompressor(options=ZSTD_OPTIONS)


def inflate(body: bytes, encoding: Encoding, limit: int) -> bytes:
    """The inflated body, several gzip members or zstd frames joined.

    Inflates at most `limit` + 1 bytes. Raises an `inflated-too-large` problem beyond `limit`, and
    `not-inflatable` for data that is broken, cut short or in more than `MAX_PARTS` pieces.
    """
    parts: list[bytes] = []
    room = limit + 1
    rest = body
    try:
        while rest:
            if len(parts) == MAX_PARTS:
                raise Problem("not-inflatable", f"The {encoding} data is in more than {MAX_PARTS} pieces.")
            inflater = _inflater(encoding)
            part = inflater.decompress(rest, room)
            parts.append(part)
            room -= len(part)
            if room <= 0:
                raise Problem(
                    "inflated-too-large", f"Inflated, the body may have {limit} bytes; send fewer events at once."
                )
            if not inflater.eof:
                raise Problem("not-inflatable", f"The {encoding} data is cut short.")
            rest = inflater.unused_data
    except (zlib.error, zstd.ZstdError) as broken:
        raise Problem("not-inflatable", f"The body is not valid {encoding} data.") from broken
    return parts[0] if len(parts) == 1 else b"".join(parts)


class BodyReader:
    """Reads bodies within the limits. One for the whole gateway; it keeps no state of a request."""

    def __init__(
        self,
        *,
        max_body_bytes: int,
        max_inflated_bytes: int,
        stall_seconds: float,
        total_seconds: float,
        budget: ByteBudget,
    ) -> None:
        self._max_body = max_body_bytes
        self._max_inflated = max_inflated_bytes
        self._stall_seconds = stall_seconds
        self._total_seconds = total_seconds
        self._stalls = Deadlines(stall_seconds)
        self._budget = budget

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body as plain bytes. Raises Problem (400, 408, 413, 415, 503) or ClientGone."""
        encoding = self._check_headers(headers)
        body = await self.read_raw(receive)
        return body if encoding is None else inflate(body, encoding, self._max_inflated)

    async def read_raw(self, receive: Receive) -> bytes:
        """The body as it was sent, whatever it is. Raises Problem (408, 413, 503) or ClientGone."""
        message = await self._next(receive)
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            return await self._receive_rest(body, receive)
        if len(body) > self._max_body:
            raise self._too_large()
        return body

    def _check_headers(self, headers: Mapping[bytes, bytes]) -> Encoding | None:
        media_type = headers.get(b"content-type", b"")
        if media_type not in MEDIA_TYPES:
            essence = media_type.partition(b";")[0].strip().lower()
            if essence not in MEDIA_TYPES:
                raise Problem(
                    "media-type",
                    "Send the batch as application/json or text/plain.",
                    headers=((b"accept", b"application/json, text/plain"),),
                )
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or len(length) > 15 or int(length) > self._max_body):
            raise self._too_large()
        encoding_text = headers.get(b"content-encoding")
        if encoding_text is None:
            return None
        encoding = encoding_text.strip().lower()
        if encoding not in ENCODINGS:
            raise Problem(
                "content-encoding",
                "Send the body as it is, or with Content-Encoding gzip or zstd.",
                headers=((b"accept-encoding", b"gzip, zstd"),),
            )
        return ENCODINGS[encoding]

    async def _receive_rest(self, first: bytes, receive: Receive) -> bytes:
        """The slow way: a body in pieces, its bytes taken from the budget while it is incomplete."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._total_seconds
        body = bytearray()
        held = 0
        piece, more = first, True
        try:
            while True:
                self._budget.take(len(piece))
                held += len(piece)
                body += piece
                if len(body) > self._max_body:
                    raise self._too_large()
                if not more:
                    return bytes(body)
                if loop.time() > latest:
                    raise self._stalled(self._total_seconds)
                message = await self._next(receive)
                piece, more = message.get("body", b""), message.get("more_body", False)
        finally:
            self._budget.give_back(held)

    async def _next(self, receive: Receive) -> MutableMapping[str, Any]:
        deadline = self._stalls.open()
        try:
            message = await receive()
        except asyncio.CancelledError:
            if not deadline.claims():
                # Only a server that stops, and has waited long enough, cancels a request.
                raise Problem("draining", "The gateway is shutting down; use another one.", retry_after=1) from None
            raise self._stalled(self._stall_seconds) from None
        finally:
            deadline.close()
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message

    def _too_large(self) -> Problem:
        return Problem("body-too-large", f"The body may have {self._max_body} bytes; send fewer events at once.")

    def _stalled(self, seconds: float) -> Problem:
        # What may still come of the body must not be read as the next request.
        return Problem(
            "body-stalled",
            f"Nothing complete came within {seconds:g} seconds; send the same batch again.",
            headers=((b"connection", b"close"),),
        )
