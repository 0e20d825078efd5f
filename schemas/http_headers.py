"""Headers that say what browsers must not do with a response. Answers without a page carry `NOSNIFF` alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
"""A browser takes a response for what its type says: an answer that quotes what was sent never becomes a script."""

PROTECTION: Final = (
    NOSNIFF,
    (b"referrer-policy", b"no-referrer"),
    # What a page may load is for the page to say (`infra.study_app`); no response may be framed.
    (b"content-security-policy", b"frame-ancestors 'none'"),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Protected:
    """An ASGI application whose responses carry `PROTECTION`, unless they say otherwise themselves."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                message["headers"] = headers + [header for header in PROTECTION if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_protected if scope["type"] == "http" else send)
