"""The embedded ClickHouse engine with several users, who have grants and settings.

Run as `python -m tests.limited_clickhouse`. chDB has one user and no place to create others, but it has the engine's
access control: each user here is a role of that user, which a connection takes before its statement, with the user's
settings. So the engine itself enforces every grant, `readonly` and every limit. Views may run as any of them.
Two things are this module's: who has which role, and that an asynchronous insert is answered without a count of its
rows, as by a server.
`default` has every grant.
"""

from __future__ import annotations

import argparse
import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import escape

from infra.local.clickhouse import LocalClickHouse
from infra.local.clickhouse_engine import Answer, Connection, Engine
from infra.local.clickhouse_errors import ClickHouseError
from infra.local.clickhouse_request import Statement
from infra.local.clickhouse_server import serve

_USERS = """<clickhouse>
<profiles><default></default></profiles>
<roles>{roles}</roles>
<users><default>
<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT {names}</query></grants>
</default>{definers}</users>
<quotas><default></default></quotas>
</clickhouse>"""
_ROLE = "<{name}><grants>{grants}</grants></{name}>"
_DEFINER = "<{name}><no_password/><networks/><profile>default</profile><grants>{grants}</grants></{name}>"
_CONFIG = "<clickhouse><users_config>{users}</users_config></clickhouse>"


@dataclass(frozen=True, slots=True)
class User:
    """`grants` end before TO, for example `GRANT SELECT ON convergio.*`."""

    name: str
    grants: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    password: str = ""


DEFAULT = User("default", ["GRANT ALL ON *.*"])


@dataclass(frozen=True, slots=True)
class LimitedClickHouse(LocalClickHouse):
    """The same process as `LocalClickHouse`, for several users."""

    users: Sequence[User] = ()

    def command(self) -> list[str]:
        users = json.dumps([asdict(user) for user in self.users])
        server = [sys.executable, "-m", "tests.limited_clickhouse", "--users", users]
        return [*server, "--data-dir", str(self.data_dir), "--port", str(self.port)]


class _Engine(Engine):
    def __init__(self, data_dir: Path, users: Sequence[User]) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        users_file, config_file = data_dir / "users.xml", data_dir / "config.xml"
        grants = {user.name: "".join(f"<query>{escape(grant)}</query>" for grant in user.grants) for user in users}
        roles = "".join(_ROLE.format(name=f"of_{name}", grants=granted) for name, granted in grants.items())
        definers = "".join(
            _DEFINER.format(name=name, grants=granted) for name, granted in grants.items() if name != DEFAULT.name
        )
        names = ", ".join(f"of_{user.name}" for user in users)
        users_file.write_text(_USERS.format(roles=roles, names=names, definers=definers))
        config_file.write_text(_CONFIG.format(users=users_file.resolve()))
        self._users = {user.name: user for user in users}
        super().__init__(data_dir, {"config-file": str(config_file.resolve())})

    def _enter(self, connection: Connection, statement: Statement) -> None:
        user = self._users.get(statement.user)
        if user is None or not hmac.compare_digest(user.password, statement.password):
            raise ClickHouseError.of(
                516,
                "AUTHENTICATION_FAILED",
                f"{statement.user}: Authentication failed: password is incorrect, or there is no user with such name",
            )
        connection.query(f"SET ROLE of_{user.name}")
        if user.settings:
            changes = (f"{name} = '{value}'" for name, value in user.settings.items())
            connection.query(f"SET {', '.join(changes)}")

    def execute(self, statement: Statement) -> Answer:
        """As the engine does; an insert that is asynchronous is answered without its rows."""
        answer = super().execute(statement)
        user = self._users[statement.user]
        asynchronous = {"async_insert": "1", **user.settings, **statement.settings}["async_insert"] != "0"
        return replace(answer, written_rows=0, written_bytes=0) if statement.writes and asynchronous else answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", required=True)
    options = parser.parse_args()
    users = [DEFAULT, *(User(**user) for user in json.loads(options.users))]
    serve(lambda: _Engine(options.data_dir, users), options.port)


if __name__ == "__main__":
    main()
