"""The alerts, by Prometheus's own tool: each fires when it should and at no other time."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

ALERTS = Path(__file__).parents[2] / "infra" / "deploy" / "prometheus" / "alerts.yml"
SERIES = 'convergio_processor_oldest_erasure_to_sweep_timestamp_seconds{instance="a"}'


async def test_an_erasure_that_is_not_swept_for_over_an_hour_alerts(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")
    # Tests in JSON, which is YAML, too. Time begins at 0: the erasure is carried out after a minute, swept after 90.
    tests: dict[str, Any] = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": SERIES, "values": "0 60x89 0x30"}],
                "alert_rule_test": [
                    {"eval_time": "60m", "alertname": "ErasureNotSwept", "exp_alerts": []},
                    {
                        "eval_time": "80m",
                        "alertname": "ErasureNotSwept",
                        "exp_alerts": [{"exp_labels": {"severity": "warning"}}],
                    },
                    {"eval_time": "100m", "alertname": "ErasureNotSwept", "exp_alerts": []},
                ],
            }
        ],
    }
    for each in tests["tests"][0]["alert_rule_test"]:
        for alert in each["exp_alerts"]:
            alert["exp_annotations"] = _annotations()
    file = tmp_path / "test.yml"
    file.write_text(json.dumps(tests))
    process = await asyncio.create_subprocess_exec(
        promtool, "test", "rules", file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def _annotations() -> dict[str, str]:
    """Those of the one alert, out of its folded YAML."""
    text = ALERTS.read_text(encoding="utf-8")
    summary = text.split("summary: ")[1].splitlines()[0]
    folded = text.split("description: >-\n")[1]
    return {"summary": summary, "description": " ".join(line.strip() for line in folded.splitlines())}
