"""The users of `infra/deploy/clickhouse/users.sql`, as the statements there make them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.limited_clickhouse import User

FOLDER: Final = Path(__file__).parents[1] / "infra" / "deploy" / "clickhouse"
_CREATE = re.compile(
    r"CREATE USER IF NOT EXISTS (\w+) IDENTIFIED WITH "
    r"(?:sha256_hash BY '\$\{\w+_SHA256\}'|no_password HOST NONE)(?: SETTINGS (.+))?"
)


def statements(name: str) -> list[str]:
    """The statements of a shipped file, without comments."""
    text = re.sub(r"(?m)^--.*\n", "", (FOLDER / name).read_text())
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


def shipped_users() -> dict[str, User]:
    """By what they are for, with their grants and settings; the tests choose the passwords."""
    users = {}
    for name, settings in (found.groups() for found in map(_CREATE.fullmatch, statements("users.sql")) if found):
        grants = [
            grant.removesuffix(f" TO {name}") for grant in statements("users.sql") if grant.endswith(f" TO {name}")
        ]
        values = dict(re.findall(r"(\w+) = '?(\w+)'?", settings or ""))
        users[name.removeprefix("convergio_")] = User(
            name, [grant for grant in grants if grant.startswith("GRANT ")], values, f"password-of-{name}"
        )
    return users
