"""The command line: what it says, and how it ends, when all is well and when it is not."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.local.ports import free_ports
from tests.commands import Convergio

COMMANDS = ("up", "demo", "simulate", "ingest", "process", "export", "migrate", "audit", "dlq", "erase", "config")


async def test_help_names_every_command_and_the_exit_codes() -> None:
    result = await Convergio()("--help")
    for command in COMMANDS:
        assert command in result.output
    assert "Exit codes" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


async def test_version_is_that_of_the_package() -> None:
    result = await Convergio()("version")
    assert result.output.startswith("convergio-telemetry ")
    assert (await Convergio()("--version")).output == result.output


async def test_config_shows_values_sources_and_no_secret() -> None:
    convergio = Convergio({"ingest_port": "8123", "operator_token": "a-very-secret-token"})
    rows = {row["name"]: row for row in json.loads((await convergio("config", "--format", "json")).output)}
    assert rows["ingest_port"]["value"] == 8123
    assert rows["ingest_port"]["source"] == "CONVERGIO_INGEST_PORT"
    assert rows["partitions"]["source"] == "default"
    for form in ("table", "json", "toml"):
        assert "a-very-secret-token" not in (await convergio("config", "--format", form)).output


@pytest.mark.parametrize("command", ["config", "migrate", "ingest", "process", "export", "audit"])
async def test_an_unknown_setting_stops_every_command_with_one_line(command: str) -> None:
    result = await Convergio({"ingest_prot": "1"})(command, code=2)
    assert result.errors == "convergio: CONVERGIO_INGEST_PROT is not a setting; did you mean CONVERGIO_INGEST_PORT?\n"


async def test_a_bad_setting_in_the_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "convergio.toml"
    file.write_text('partitions = "many"\n')
    result = await Convergio({"config": str(file)})("config", code=2)
    assert result.errors.startswith(f"convergio: partitions in {file}='many': ")
    assert result.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "service"), [("ingest", "INGEST"), ("process", "PROCESSOR"), ("export", "EXPORTER")]
)
@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "." * 70])
async def test_a_host_that_is_not_of_this_machine_is_not_blamed_on_the_port(
    command: str, service: str, host: str
) -> None:
    result = await Convergio({f"{service}_host": host})(command, code=4)
    assert result.errors.startswith(f"convergio: CONVERGIO_{service}_HOST={host!r} is no address of this machine (")
    assert result.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "service"), [("ingest", "INGEST"), ("process", "PROCESSOR"), ("export", "EXPORTER")]
)
async def test_a_port_that_is_taken_names_the_setting_to_change(command: str, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = await Convergio({f"{service}_port": str(port)})(command, code=4)
    assert result.errors == (
        f"convergio: 127.0.0.1:{port} cannot be listened on (Address already in use); "
        f"choose another port with CONVERGIO_{service}_PORT\n"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [("what?", "question mark"), ("two\nlines", "control character"), ("\udcff", "is not UTF-8")],
)
@pytest.mark.parametrize("command", ["up", "demo"])
async def test_a_folder_whose_name_a_server_cannot_take_is_refused_before_anything_is_written(
    command: str, name: str, says: str, tmp_path: Path
) -> None:
    result = await Convergio()(command, "--data-dir", str(tmp_path / name / "data"), code=4)
    assert says in result.errors
    assert "choose another --data-dir" in result.errors
    assert result.errors.count("\n") == 1
    assert not await asyncio.to_thread(os.listdir, tmp_path)


async def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = await Convergio()("up", "--data-dir", str(tmp_path / "file" / "data"), code=4)
    assert result.errors == (
        f"convergio: {tmp_path}/file/data cannot be used (Not a directory); choose another --data-dir\n"
    )


async def test_a_second_stack_at_the_same_ports_names_what_chooses_others_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ExitStack() as taken:
        ports = [taken.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(7)]
        kafka, controller, clickhouse, exporter, processor, ingest, audit = map(str, ports)
        result = await Convergio()(
            *("up", "--data-dir", str(data), "--kafka-port", kafka, "--kafka-controller-port", controller),
            *("--clickhouse-port", clickhouse, "--exporter-port", exporter, "--processor-port", processor),
            *("--ingest-port", ingest, "--audit-port", audit),
            code=4,
        )
    assert result.errors.count("\n") == 1
    for port, service, setting in (
        (kafka, "kafka", "--kafka-port (CONVERGIO_KAFKA_BOOTSTRAP)"),
        (controller, "kafka", "--kafka-controller-port"),
        (clickhouse, "clickhouse", "--clickhouse-port (CONVERGIO_CLICKHOUSE_PORT)"),
        (exporter, "exporter", "--exporter-port (CONVERGIO_EXPORTER_PORT)"),
        (processor, "processor-0", "--processor-port (CONVERGIO_PROCESSOR_PORT)"),
        (ingest, "ingest-0", "--ingest-port (CONVERGIO_INGEST_PORT)"),
        (audit, "audit", "--audit-port (CONVERGIO_AUDIT_PORT)"),
    ):
        assert f"{port} ({service})" in result.errors
        assert setting in result.errors
    assert not (data / "kafka").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("audit",),
        ("dlq", "list"),
        ("erase", "6f1c2d9e-0000-4000-8000-000000000000"),
    ],
)
async def test_kafka_that_does_not_answer_is_one_line(arguments: tuple[str, ...]) -> None:
    (port,) = free_ports(1)
    result = await Convergio({"kafka_bootstrap": f"127.0.0.1:{port}"})(*arguments, code=3)
    assert result.errors.startswith(f"convergio: Kafka at 127.0.0.1:{port} does not answer")
    assert result.errors.count("\n") == 1


async def test_clickhouse_that_does_not_answer_is_one_line() -> None:
    (port,) = free_ports(1)
    result = await Convergio({"clickhouse_port": str(port)})("migrate", "--no-topics", code=3)
    assert result.errors.startswith(f"convergio: ClickHouse at 127.0.0.1:{port} does not answer")
    assert result.errors.count("\n") == 1


async def test_an_id_that_is_none_is_refused() -> None:
    result = await Convergio()("erase", "me", code=2)
    assert "'me' is not a user id" in result.errors


async def test_a_missing_topic_says_what_to_do(kafka_bootstrap: str, topic_prefix: str) -> None:
    convergio = Convergio({"kafka_bootstrap": kafka_bootstrap, "events_topic": topic_prefix + "none"})
    result = await convergio("audit", code=2)
    assert "convergio migrate" in result.errors


async def test_a_gateway_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    ledger = tmp_path / "ledger.ndjson"
    result = await Convergio()(
        *("simulate", "--url", f"http://127.0.0.1:{port}", "--events", "20", "--patience", "1"),
        *("--ledger", str(ledger)),
        code=1,
    )
    assert "got no answer" in result.errors
    answers = {json.loads(line)["answer"] for line in ledger.read_text().splitlines()}
    assert answers == {"unanswered"}
