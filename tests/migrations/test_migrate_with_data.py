"""Migrations of databases that hold data: from every version, interrupted after every statement, several at a time.

The oracle is a database that had the newest version from the beginning and was given the same messages.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import clickhouse_connect
import pytest

from infra.clickhouse import migrate as migrating
from infra.clickhouse.migrate import migrate
from processors.envelopes import Message
from processors.places import Place
from processors.recompute import recompute_sessions
from processors.settings import ProcessorSettings
from processors.sink import Sink, StoredErasure
from schemas.retention import GRACE_DAYS
from schemas.sql import Migration, migrations
from schemas.topics import UNKNOWN_TOPIC
from tests.closing import close_days
from tests.events import erasure, message, sent
from tests.in_process import Processor
from tests.old_study_times import write_by_the_old_rule
from tests.servers import ClickHouseAddress

ALL = migrations()
NEWEST = ALL[-1].version
RETENTION_DAYS = ProcessorSettings().retention_days
TABLES = ("events_data", "sessions_data", "totals_data", "erasures_data")
"""What processors insert into; the first migration makes them."""
VIEWS = 2
"""The migration that made views, without which no processor can work."""
ERASURES_NAME_A_DAY = 6
"""The migration after which the mark of an erasure names a closed day."""
ERASURES_NAME_A_TOPIC = 7
"""The migration after which it also names the topic, and says how far the erasure is."""
RECENT_SESSIONS = 4
"""The migration that brought a table which processors delete from."""
STUDY_TIME = 9
"""The migration since which a session's row says its latest study event; before, every event counted as study."""

Rows = list[tuple[object, ...]]


class Database:
    """A database of its own, whatever its version, and the processors of that version."""

    def __init__(self, clickhouse: ClickHouseAddress) -> None:
        self._clickhouse = clickhouse
        self.settings = ProcessorSettings(**clickhouse.settings(f"test_{uuid.uuid4().hex[:12]}"))

    def rows(self, query: str) -> Rows:
        name = self.settings.clickhouse_database
        with clickhouse_connect.get_client(**self._clickhouse.client_options, database=name) as client:
            return [tuple(row) for row in client.query(query).result_rows]

    def run(self, statements: Sequence[str]) -> None:
        name = self.settings.clickhouse_database
        with clickhouse_connect.get_client(**self._clickhouse.client_options, database=name) as client:
            for statement in statements:
                client.command(statement)

    def drop(self) -> None:
        with clickhouse_connect.get_client(**self._clickhouse.client_options) as client:
            client.command(f"DROP DATABASE IF EXISTS {self.settings.clickhouse_database} SYNC")

    def process(self, messages: Sequence[Message], version: int, clock: datetime) -> None:
        """What a processor that has just been started makes of the messages."""
        sink = _SinkOfThatTime(self.settings, version)
        try:
            report = Processor(self.settings, sink).flush(*messages)
            if version < STUDY_TIME:
                name = self.settings.clickhouse_database
                with clickhouse_connect.get_client(**self._clickhouse.client_options, database=name) as client:
                    write_by_the_old_rule(client)
            assert report.dead_letters == []
            close_days(sink, clock, RETENTION_DAYS)
        finally:
            sink.close()

    def everything_shown(self) -> dict[str, Rows]:
        """The rows of every view."""
        views = self.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
        return {str(view): self.rows(f"SELECT * FROM {view} ORDER BY ALL") for (view,) in views}


class _SinkOfThatTime(Sink):
    """Says what a processor of an older version would."""

    def __init__(self, settings: ProcessorSettings, version: int) -> None:
        super().__init__(settings)
        self._version = version

    def texts(self, name: str, **values: str | int) -> list[list[str]]:
        if name == "last_closed_day" and self._version < ERASURES_NAME_A_DAY:
            return [["1970-01-01"]]
        return super().texts(name, **values)

    def erasures(self, user_ids: Iterable[str]) -> list[StoredErasure]:
        if self._version >= ERASURES_NAME_A_TOPIC:
            return super().erasures(user_ids)
        users = ", ".join(f"'{user_id}'" for user_id in user_ids)
        columns = f"user_id, '{UNKNOWN_TOPIC}', kafka_partition, kafka_offset, epoch"
        query = f"SELECT {columns} FROM erasures_data FINAL WHERE user_id IN ({users})"
        found = self._connected().query(query, query_formats={"UUID": "string"}).result_rows
        return [StoredErasure(*row) for row in found]

    def erasures_at(self, place: Place, user_id: str) -> list[StoredErasure]:
        if self._version >= ERASURES_NAME_A_TOPIC:
            return super().erasures_at(place, user_id)
        return [erasure for erasure in self.erasures([user_id]) if erasure.place == place]

    def _text(self, name: str, values: Mapping[str, str | int]) -> str:
        text = super()._text(name, values)
        if name == "erase_totals" and self._version < ERASURES_NAME_A_TOPIC:
            text = text.replace("topic_id, ", "").replace(f"'{values['topic']}', ", "")
        return text if self._version >= STUDY_TIME else text.replace("toUnixTimestamp64Milli(last_study_at)", "0")

    def command(self, name: str, **values: str | int) -> None:
        if self._version < ERASURES_NAME_A_TOPIC and name == "erase_mark":
            row = "{partition}, {offset}, '{user}', {epoch}, now64(3)".format(**values)
            columns = "kafka_partition, kafka_offset, user_id, epoch, erased_at"
            if self._version >= ERASURES_NAME_A_DAY:
                row, columns = row + ", '{closed}'".format(**values), columns + ", closed_day"
            self._command(f"INSERT INTO erasures_data ({columns}) VALUES ({row})")
        else:
            super().command(name, **values)


@pytest.fixture
def old(clickhouse: ClickHouseAddress) -> Iterator[Database]:
    """The database that is to be migrated."""
    database = Database(clickhouse)
    yield database
    database.drop()


@pytest.fixture
def fresh(clickhouse: ClickHouseAddress) -> Iterator[Database]:
    """One that has the newest version."""
    database = Database(clickhouse)
    migrate(database.settings)
    yield database
    database.drop()


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouseAddress) -> Iterator[Database]:
    """The same, and it holds what the first processors have stored."""
    database = Database(clickhouse)
    migrate(database.settings)
    Traffic().before(database, VIEWS)
    yield database
    database.drop()


def copy_rows(source: Database, target: Database) -> None:
    """Gives one database what processors have inserted into another, as far as it has the columns."""
    name = source.settings.clickhouse_database
    for table in TABLES:
        found = target.rows(f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{table}'")
        columns = ", ".join(str(column) for (column,) in found)
        # Of two sessions' rows with as many events the later one stands, and a copy does not keep their order.
        final = " FINAL" if table == "sessions_data" else ""
        target.run([f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {name}.{table}{final}"])


def migrate_to(version: int, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: until(version))
        migrate(database.settings)


def until(version: int) -> list[Migration]:
    return [migration for migration in ALL if migration.version <= version]


def after(version: int) -> list[Migration]:
    return [migration for migration in ALL if migration.version > version]


def recompute(database: Database) -> int:
    """The rest of what `convergio migrate` does."""
    sink = Sink(database.settings)
    try:
        return recompute_sessions(sink, database.settings.session_gap_seconds * 1000)
    finally:
        sink.close()


class Traffic:
    """Messages of sessions new and old, of one erased user, of a day that is closed, with repetitions."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        days = 60 * 24
        self._recent = [sent(minutes_ago=minutes) for minutes in (3, 90, 3 * days, 20 * days)]
        maestro = sent(minutes_ago=4, action="maestro_selected", category="maestro", label="archimede")
        self._session = [sent(maestro.user, session=maestro.session, minutes_ago=minutes) for minutes in (2, 17, 6)]
        self._error = sent(
            maestro.user, session=maestro.session, minutes_ago=12.5, action="api_error", category="error"
        )
        page = sent(minutes_ago=38)
        self._untouched = [page, *(sent(page.user, session=page.session, minutes_ago=minutes) for minutes in (34, 28))]
        self._untouched.append(
            sent(page.user, session=page.session, minutes_ago=31, action="page_load", category="performance")
        )
        self._gone = [sent(minutes_ago=5), sent(minutes_ago=8 * days)]
        self._old = sent(minutes_ago=(RETENTION_DAYS + GRACE_DAYS + 2) * days)
        self._before = [message([event], offset) for offset, event in enumerate([*self._recent, *self._gone], 1)]
        self._before += [message(self._untouched, 9)]
        self._before += [message([maestro, *self._session[:2], self._error, maestro], 10)]
        self._before += [erasure(self._gone[0].user, 11), message([sent(self._gone[0].user, minutes_ago=1)], 12)]
        self._after = [message(self._session[1:], 20), erasure(self._gone[1].user, 21), message([sent()], 22)]

    def before(self, database: Database, version: int) -> None:
        while_it_was_young = self.now - timedelta(days=GRACE_DAYS + 3)
        database.process([message([self._old], 0)], version, while_it_was_young)
        for _ in range(2):  # a second owner for a moment, which repeats all of it
            database.process(self._before, version, self.now)

    def after(self, database: Database, version: int) -> None:
        database.process(self._after, version, self.now)


OLD_VERSIONS = [each.version for each in ALL[:-1] if each.version >= VIEWS]


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=() if version in (OLD_VERSIONS[0], OLD_VERSIONS[-1]) else pytest.mark.long)
        for version in OLD_VERSIONS
    ],
)
def test_what_processors_of_any_version_stored_is_shown_by_the_newest(
    fresh: Database, old: Database, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = Traffic()
    migrate_to(version, old, monkeypatch)
    traffic.before(fresh, NEWEST)
    traffic.before(old, version)
    assert migrate(old.settings) == after(version)
    traffic.after(fresh, NEWEST)
    traffic.after(old, NEWEST)
    # Sessions to which nothing was added are still as they were.
    assert (recompute(old) > 0) == (version < STUDY_TIME)
    shown = fresh.everything_shown()
    assert old.everything_shown() == shown
    assert len(shown["events"]) == 15
    assert shown["lifetime"][0][2] == 18, "the erased and the expired events count since the beginning"


INTERRUPTIONS = [
    pytest.param(
        migration,
        done,
        id=f"{migration.name}-{done}",
        marks=() if migration in (ALL[0], ALL[-1]) else pytest.mark.long,
    )
    for migration in ALL
    for done in range(1, len(migration.statements) + 1)
]


@pytest.mark.parametrize(("migration", "done"), INTERRUPTIONS)
def test_a_migration_that_died_after_any_statement_is_run_again(
    filled: Database, old: Database, migration: Migration, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_to(migration.version - 1, old, monkeypatch)
    if migration.version > 1:
        copy_rows(filled, old)
    old.run(migration.statements[:done])
    if migration.version > 1:
        copy_rows(filled, old)  # the processors go on meanwhile, with what had been stored already
    assert migrate(old.settings) == after(migration.version - 1)
    if migration.version == 1:
        copy_rows(filled, old)
    assert old.everything_shown() == filled.everything_shown()


@pytest.mark.parametrize("version", [0, 1, RECENT_SESSIONS - 1])
def test_several_that_migrate_at_the_same_time_do_it_once(
    filled: Database, old: Database, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        migrate_to(version, old, monkeypatch)
        copy_rows(filled, old)
    with ThreadPoolExecutor(4) as machines:
        for done in [machines.submit(migrate, old.settings) for _ in range(4)]:
            done.result()
    if not version:
        copy_rows(filled, old)
    assert old.everything_shown() == filled.everything_shown()
    assert old.rows("SELECT version FROM schema_migrations FINAL ORDER BY version") == [(each.version,) for each in ALL]
    assert migrate(old.settings) == []
