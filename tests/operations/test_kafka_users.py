"""Each command as a user of its own at a Kafka with TLS, SCRAM and an authorizer, with the ACLs that we ship."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from infra.errors import Failure
from infra.kafka import permissions
from infra.kafka.permissions import Permission
from infra.kafka.requirements import require
from infra.settings import Settings
from schemas.envelope import headers, message_key, partition_for
from tests.commands import Convergio
from tests.deployment import RunningService, service
from tests.gateway import batch, event
from tests.secure_kafka import USERS, Acl, SecureKafka, password_of, secure_kafka, shipped_acls
from tests.servers import ClickHouseAddress
from tests.stacks import until

NEEDED: dict[str, Sequence[Permission]] = {
    "gateway": permissions.GATEWAY,
    "processor": permissions.PROCESSOR,
    "migrator": permissions.MIGRATOR,
    "auditor": permissions.FOLLOWER,
    "redriver": permissions.REDRIVER,
    "eraser": permissions.ERASER,
}
NAMES = Settings()
SCRIPT = "infra/deploy/kafka/acls.sh"


def acl(user: str, permission: Permission) -> Acl:
    return Acl(f"convergio-{user}", permission.kind, getattr(NAMES, permission.resource), permission.operation)


@pytest.fixture(scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecureKafka]:
    folder = tmp_path_factory.mktemp("secure-kafka")
    async with secure_kafka(folder) as running:
        await running.allow(shipped_acls(folder, {}))
        migrated = await Convergio(running.settings("migrator", partitions="2"))("migrate", "--no-tables")
        assert "topic convergio.events: created, 2 partition(s)" in migrated.output
        assert "retention: 90 days" in migrated.output
        yield running


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """One for the module, as there is one events topic."""
    with clickhouse.own_database() as name:
        yield name


def test_the_script_grants_what_the_commands_check_and_nothing_else(tmp_path: Path) -> None:
    shipped = shipped_acls(tmp_path, {})
    assert Counter(shipped) == Counter(acl(user, permission) for user in USERS for permission in NEEDED[user])
    assert set(permissions.LETTER_READER) - set(permissions.AUDITOR) == {
        Permission(permissions.Operation.DESCRIBE, "events_topic")  # which Read includes
    }


def test_the_script_takes_other_names_from_the_same_variables_as_the_services(tmp_path: Path) -> None:
    other = {"CONVERGIO_EVENTS_TOPIC": "e", "CONVERGIO_DEAD_LETTER_TOPIC": "d", "CONVERGIO_CONSUMER_GROUP": "g"}
    assert {granted.name for granted in shipped_acls(tmp_path, other)} == {"e", "d", "e.retention", "g", "g.audit"}


async def test_each_command_does_its_part_with_the_shipped_acls(
    kafka: SecureKafka, clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    stored = clickhouse.command_settings(database)
    command = {user: Convergio({**stored, **kafka.settings(user, partitions="2")}) for user in USERS}
    assert "topic convergio.events: there, 2 partition(s)" in (await command["migrator"]("migrate")).output
    async with (
        service("ingest", command["gateway"].settings, tmp_path) as gateway,
        service("process", command["processor"].settings, tmp_path) as processor,
        service("audit", command["auditor"].settings, tmp_path, "--follow") as running_audit,
    ):
        sent = batch(event(), event())
        user = str(sent["userId"])
        for _ in range(2):
            assert await gateway.post(sent) == 202
        await add_poison(kafka)
        report = json.loads((await command["auditor"]("audit", "--format", "json")).output)
        assert (report["good"], report["stored"], report["dead_letters"]) == (True, 2, 1)
        letters = await command["auditor"]("dlq", "list", "--format", "json")
        assert [letter["state"] for letter in json.loads(letters.output)] == ["waiting"]
        assert "1 dead letter(s) sent again" in (await command["redriver"]("dlq", "redrive")).output
        assert "asked to erase" in (await command["eraser"]("erase", user)).output
        report = json.loads((await command["auditor"]("audit", "--format", "json")).output)
        assert (report["good"], report["stored"], report["erased"]) == (True, 0, 2)
        await until(lambda: has_checked(running_audit, events=4))
    for log in (gateway.log, processor.log, running_audit.log):
        assert not any(password_of(who) in log.read_text() for who in USERS)


async def has_checked(audit: RunningService, events: int) -> bool:
    return f"convergio_audit_checked_events_total {events}.0" in await audit.get("/metrics")


async def add_poison(kafka: SecureKafka) -> None:
    user = "6f1c2d9e-0000-4000-8000-000000000000"
    async with AIOKafkaProducer(bootstrap_servers=kafka.plain) as producer:
        await producer.send_and_wait(
            NAMES.events_topic,
            b"poison",
            key=message_key(user),
            partition=partition_for(user, 2),
            headers=headers("events"),
        )


@pytest.mark.parametrize(("user", "permission"), [(user, each) for user in USERS for each in NEEDED[user]])
async def test_a_missing_acl_is_named(kafka: SecureKafka, user: str, permission: Permission) -> None:
    settings = Settings(**kafka.settings(user))
    needed = NEEDED[user]
    await require(settings, needed)
    taken = acl(user, permission)
    await kafka.forbid(taken)
    try:
        await until_refused(settings, needed)
        with pytest.raises(Failure) as raised:
            await require(settings, needed)
        begin, end = f"Kafka at {kafka.sasl} does not allow convergio-{user} what it needs: ", f"; {SCRIPT} grants it"
        named = str(raised.value).removeprefix(begin).removesuffix(end).split(", ")
        assert permission.named(settings) in named
        # Who may not even see a topic is told everything that is needed of it.
        assert all(each.endswith(f" {taken.name}") for each in named)
    finally:
        await kafka.allow([taken])
    await until_allowed(settings, needed)


async def until_refused(settings: Settings, needed: Sequence[Permission]) -> None:
    await until(lambda: _is_allowed(settings, needed, False))


async def until_allowed(settings: Settings, needed: Sequence[Permission]) -> None:
    await until(lambda: _is_allowed(settings, needed, True))


async def _is_allowed(settings: Settings, needed: Sequence[Permission], wanted: bool) -> bool:
    try:
        await require(settings, needed)
    except Failure:
        return not wanted
    return wanted


@pytest.mark.long
async def test_a_service_that_loses_an_acl_says_so_and_goes_on_when_it_has_it_again(
    kafka: SecureKafka, clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    stored = clickhouse.command_settings(database)
    command = {user: Convergio({**stored, **kafka.settings(user, partitions="2")}) for user in USERS}
    await command["migrator"]("migrate")
    write, read = acl("gateway", permissions.GATEWAY[0]), acl("processor", permissions.PROCESSOR[0])
    async with (
        service("ingest", {**command["gateway"].settings, "ack_timeout_seconds": "2"}, tmp_path) as gateway,
        service("process", command["processor"].settings, tmp_path) as processor,
    ):

        async def answers(status: int) -> bool:
            return await gateway.post(batch(event())) == status

        await until(lambda: answers(202))
        await kafka.forbid(read)
        try:
            await until(lambda: answers(202))
            await until(lambda: says(processor, "TopicAuthorizationFailedError"))
        finally:
            await kafka.allow([read])
        await kafka.forbid(write)
        try:
            await until(lambda: answers(503))
            await until(lambda: says(gateway, "TopicAuthorizationFailedError"))
        finally:
            await kafka.allow([write])
        await until(lambda: answers(202))
        assert json.loads((await command["auditor"]("audit", "--format", "json")).output)["good"]
    for log in (gateway.log, processor.log):
        assert "Traceback" not in log.read_text()


def says(running: RunningService, text: str) -> bool:
    return any(text in str(line.get("reason")) for line in running.lines())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ingest",), 1),
        (("process",), 1),
        (("migrate", "--no-tables"), 1),
        (("audit",), 1),
        (("audit", "--follow"), 1),
        (("dlq", "redrive"), 1),
        (("erase", "6f1c2d9e-0000-4000-8000-000000000000"), 1),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_a_command_of_a_user_without_acls_ends_with_one_line(
    kafka: SecureKafka, clickhouse: ClickHouseAddress, database: str, arguments: tuple[str, ...], code: int
) -> None:
    stored = clickhouse.command_settings(database)
    settings = {**stored, **kafka.settings("stranger")}
    result = await Convergio(settings)(*arguments, code=code)
    assert result.errors.count("\n") == 1
    assert re.match(
        r"convergio: Kafka at \S+ does not allow convergio-stranger what it needs: \w+ on the", result.errors
    )
