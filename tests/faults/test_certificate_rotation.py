"""Certificates are replaced while services run: new connections use the new files, and no event is lost."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import Authority, put_authorities
from tests.commands import Convergio
from tests.deployment import RunningService, service
from tests.gateway import batch, event
from tests.secure_kafka import secure_kafka, shipped_acls
from tests.servers import ClickHouseAddress
from tests.stacks import until


class Crowd:
    """Posts one batch after another, each until it is accepted, as the client does."""

    def __init__(self, gateway: RunningService) -> None:
        self._gateway = gateway
        self.accepted = 0

    async def run(self) -> None:
        while True:
            sent = batch(event())
            await until(partial(self._accepts, sent))
            self.accepted += 1

    async def _accepts(self, sent: dict[str, object]) -> bool:
        return await self._gateway.post(sent) == 202

    async def has_sent_more(self) -> None:
        """Waits for batches that are sent from now on."""
        wanted = self.accepted + 3
        await until(lambda: self.accepted >= wanted)


@pytest.mark.long
async def test_brokers_get_certificates_of_another_ca_and_no_event_is_lost(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    async with secure_kafka(tmp_path / "kafka") as kafka:
        await kafka.allow(shipped_acls(tmp_path, {}))
        ca_file = tmp_path / "ca.pem"
        old, new = kafka.authority, Authority(tmp_path / "new")
        put_authorities(ca_file, [old])
        stored = {**clickhouse.command_settings(database), "kafka_ca_file": str(ca_file)}
        of = {user: {**kafka.settings(user), **stored} for user in ("migrator", "gateway", "processor", "auditor")}
        await Convergio(of["migrator"])("migrate")
        async with (
            service("ingest", of["gateway"], tmp_path) as gateway,
            service("process", of["processor"], tmp_path),
        ):
            crowd = Crowd(gateway)
            posting = asyncio.create_task(crowd.run())
            await crowd.has_sent_more()
            for believed, shown in (([old, new], new), ([new], new)):
                put_authorities(ca_file, believed)
                kafka.broker.server.write_bytes(shown.server().read_bytes())
                await kafka.restart()
                await crowd.has_sent_more()
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
            report = json.loads((await Convergio(of["auditor"])("audit", "--format", "json")).output)
            assert report["good"]
            # The last one may have been acknowledged without an answer that we heard.
            assert report["stored"] in (crowd.accepted, crowd.accepted + 1)
