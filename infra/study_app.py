"""The study app: files that `make client` builds into `infra/web`, served beside the API they send to.

Only `/`, `/index.html` and `/assets/…` are theirs.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.problems import Problem, response_to
from schemas.pages import PAGE_HEADERS

BUILT: Final = Path(__file__).parent / "web"
INDEX: Final = "/index.html"
ASSETS: Final = "/assets/"


def is_built(directory: Path = BUILT) -> bool:
    """Whether there is a page to show."""
    return (directory / INDEX[1:]).is_file()


class StudyApp:
    """Serves the built files of a directory, and leaves what is not there to another application."""

    def __init__(self, otherwise: ASGIApp, directory: Path = BUILT) -> None:
        self._otherwise = otherwise
        # The directory may be missing or rebuilt at any time; each request looks for itself.
        self._files = StaticFiles(directory=directory, check_dir=False)

    @staticmethod
    def owns(path: str) -> bool:
        """Whether a path is the page's. One with dots or empty parts in it is not, so none leads out of `/assets/`."""
        return path in ("/", INDEX) or (path.startswith(ASSETS) and posixpath.normpath(path) == path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope) or self._otherwise
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        """The file asked for or what is wrong with asking; None if there is no file of that name."""
        if scope["method"] not in ("GET", "HEAD"):
            return response_to(Problem("method-not-allowed", "Use GET here.", headers=((b"allow", b"GET, HEAD"),)))
        path = INDEX if scope["path"] == "/" else scope["path"]
        try:
            answer = await self._files.get_response(path[1:], scope)
        except HTTPException:
            if path == INDEX:
                return response_to(Problem("not-found", "The study app has not been built; `make client` builds it."))
            return None
        answer.headers.update(PAGE_HEADERS)
        return answer
