"""The processors: from Kafka to ClickHouse, every event once.

`serve(settings)` runs one; `processors.app` is the Faust app of the settings in the environment, so that
`faust -A processors worker` runs one as well.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from processors.settings import ProcessorSettings

if TYPE_CHECKING:
    import faust

__all__ = ["ProcessorSettings", "app", "serve"]


def serve(settings: ProcessorSettings) -> None:
    """Runs a processor until SIGTERM or SIGINT; what was read by then is flushed and committed first."""
    from processors import worker

    worker.serve(settings)


@cache
def _app() -> faust.App:
    from processors.worker import create_app

    return create_app(ProcessorSettings())


def __getattr__(name: str) -> faust.App:
    # Made when asked for: importing the package must read no settings and start nothing.
    if name == "app":
        return _app()
    raise AttributeError(name)
