"""The ClickHouse engine on this machine, behind ClickHouse's HTTP interface, as a process to supervise."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalClickHouse:
    """An embedded ClickHouse that keeps its tables in `data_dir`, over restarts and kills."""

    data_dir: Path
    port: int = 8123

    def command(self) -> list[str]:
        server = [sys.executable, "-m", "infra.local.clickhouse_server"]
        return [*server, "--data-dir", str(self.data_dir), "--port", str(self.port)]
