"""Structured logs, the same from every service: one JSON object a line, and no personal data.

No user id, address, user agent, token or body is ever logged. Servers quote statements in their errors, so ids are
taken out of every line as well.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
from datetime import UTC, datetime
from typing import Any

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Time, level, logger and event, then whatever `extra` names."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return without_ids(json.dumps(line, default=str))


def without_ids(text: str) -> str:
    """A text without UUIDs, which are how users, sessions and events are called."""
    return _UUID.sub("…", text)


def config(package: str, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: every log of this process goes to standard error as JSON lines.

    The service's own `package` speaks from `level` up, libraries from `warning` up.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": sys.stderr}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            package: {"level": level.upper()},
            # It repeats the same complaint ten times a second while a broker is away; the services say it once.
            "aiokafka": {"level": "CRITICAL"},
        },
    }


def configure(package: str, level: str) -> None:
    """Sets this process's logging up as `config` says."""
    logging.config.dictConfig(config(package, level))
