"""Folders with any name: the servers of the local stack find in them, when they start again, what they wrote."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from infra.local.clickhouse import LocalClickHouse
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from tests.events import message, sent
from tests.processors import Pipeline
from tests.servers import running

ODD_NAME = "data, of 'Zoë' \"&\" co = #1; 100%41 \\u0041\\ {x} *$HOME ~ 数据 "


@pytest.fixture
def odd_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On a machine with no locale, like that of many containers and service managers."""
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / ODD_NAME
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_no_folders_name_reaches_kafkas_configuration(name: str) -> None:
    properties = LocalKafka(Path("/srv") / name).server_properties(0)
    assert properties == LocalKafka(Path("/srv/data")).server_properties(0)
    # A backslash or a first blank would need an escape; so would what is not Latin-1.
    assert all(re.fullmatch(r"[a-z.]+=[!-\[\]-~]*", line) for line in properties.splitlines())


async def test_kafka_keeps_its_log_in_a_folder_with_any_name(odd_folder: Path) -> None:
    port, controller_port = free_ports(2)
    kafka = LocalKafka(odd_folder, port, controller_port=controller_port)
    for start in range(2):
        commands = await asyncio.to_thread(kafka.commands)
        async with running(Service("kafka", commands["kafka"], ready=kafka.is_ready), odd_folder):
            if start == 0:
                admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
                await admin.start()
                await admin.create_topics([NewTopic("kept", 1, 1)])
                await admin.close()
                async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type="lz4") as producer:
                    await producer.send_and_wait("kept", b"acknowledged")
            consumer = AIOKafkaConsumer("kept", bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
            async with consumer, asyncio.timeout(30):
                assert (await consumer.getone()).value == b"acknowledged"
    assert names_in(odd_folder.parent) == [ODD_NAME]
    assert (odd_folder / "node-0" / "log" / "kept-0").is_dir()


async def test_clickhouse_keeps_its_tables_in_a_folder_with_any_name(odd_folder: Path) -> None:
    (port,) = free_ports(1)
    engine = LocalClickHouse(odd_folder / "clickhouse", port)
    for start in range(2):
        service = Service("clickhouse", engine.command(), ready=answers_ok(port, "/ping"))
        async with running(service, odd_folder):
            with clickhouse_connect.get_client(host="127.0.0.1", port=port) as client:
                if start == 0:
                    client.command("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
                    client.insert("kept", [[42]], column_names=["n"])
                assert client.query("SELECT n FROM kept").result_rows == [(42,)]
    assert names_in(odd_folder.parent) == [ODD_NAME]


async def test_a_processor_keeps_its_files_in_a_folder_with_any_name(odd_folder: Path, pipeline: Pipeline) -> None:
    pipeline.settings.data_dir = str(odd_folder / "processor")
    await pipeline.send(message([sent()], 0))
    async with pipeline.processor():
        await pipeline.until_committed()
    assert names_in(odd_folder.parent) == [ODD_NAME, "processor.log"]
    assert names_in(odd_folder) == ["processor"]
    assert names_in(odd_folder / "processor")
