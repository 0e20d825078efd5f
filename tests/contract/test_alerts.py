"""Rules and alerts, by Prometheus's own tool: each fires when it should and at no other time, and says what to do."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "infra" / "deploy" / "prometheus"
ALERTS, RULES = PROMETHEUS / "alerts.yml", PROMETHEUS / "rules.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
NAMES = re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
HEADINGS = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
A = 'instance="a"'
REQUESTS, LAG = "convergio_gateway_requests_total", "convergio_processor_lag_messages"
EXPIRES = "convergio_certificate_expires_timestamp_seconds"
ERASED = "convergio_processor_oldest_erasure_to_sweep_timestamp_seconds"

Case = tuple[dict[str, str], str, str, dict[str, str]]

# Series, one value a minute; a minute at which the alert is silent; a later one at which it fires; its labels.
CASES: dict[str, Case] = {
    "LowActiveUsers": (
        {'convergio_users_active{period="1h"}': "10x9 9x60", 'convergio_users_active{period="24h"}': "5x70"},
        "39m",
        "41m",
        {"period": "1h", "severity": "warning"},
    ),
    "TargetDown": (
        {'up{job="convergio-gateway",instance="a"}': "1x9 0x60", 'up{job="node",instance="a"}': "0x70"},
        "11m",
        "13m",
        {"job": "convergio-gateway", "instance": "a", "severity": "critical"},
    ),
    "JobMissing": (
        {
            'up{job="convergio-gateway",instance="a"}': "1x70",
            'up{job="convergio-exporter",instance="a"}': "1x70",
            'up{job="convergio-audit",instance="a"}': "1x70",
            'up{job="convergio-processor",instance="a"}': "1x10 stale",
        },
        "12m",
        "20m",
        {"job": "convergio-processor", "severity": "critical"},
    ),
    "GatewayNotReady": (
        {f"convergio_gateway_ready{{{A}}}": "1x9 0x60", 'convergio_gateway_ready{instance="b"}': "1x70"},
        "11m",
        "13m",
        {"instance": "a", "severity": "critical"},
    ),
    "GatewayUnavailable": (
        {f'{REQUESTS}{{{A},status="202"}}': "0+900x70", f'{REQUESTS}{{{A},status="503"}}': "0+40x30 1200+100x40"},
        "30m",
        "50m",
        {"severity": "critical"},
    ),
    "ExporterNotReading": ({"convergio_up": "1x9 0x60"}, "14m", "16m", {"severity": "warning"}),
    "EventsStoredLate": (
        {
            f"convergio_processor_oldest_unflushed_seconds{{{A}}}": "1x9 61x60",
            'convergio_processor_oldest_unflushed_seconds{instance="b"}': "0x70",
        },
        "14m",
        "16m",
        {"severity": "warning"},
    ),
    "CommitsStandStill": (
        {
            f'{LAG}{{{A},partition="0"}}': "0x10 5+1x60",
            f'{LAG}{{{A},partition="1"}}': "0x70",
            f"convergio_processor_messages_total{{{A}}}": "0+10x10 100x60",
        },
        "22m",
        "40m",
        {"partition": "0", "severity": "critical"},
    ),
    "FlushFailing": (
        {f"convergio_processor_flush_failures_total{{{A}}}": "0+1x20 20+12x50"},
        "22m",
        "40m",
        {"instance": "a", "severity": "warning"},
    ),
    "DeadLetters": (
        {f"convergio_processor_dead_letters_total{{{A}}}": "0x20 1x10"},
        "20m",
        "22m",
        {"severity": "warning"},
    ),
    "MissingOffsets": (
        {
            f'convergio_processor_missing_offsets_total{{{A},partition="0"}}': "0x20 3x10",
            f'convergio_processor_missing_offsets_total{{{A},partition="1"}}': "7x30",
        },
        "20m",
        "22m",
        {"partition": "0", "severity": "critical"},
    ),
    "AuditFoundViolation": (
        {"convergio_audit_missing_events": "0x10 1x60", "convergio_audit_doubled_events": "0x70"},
        "13m",
        "15m",
        {"severity": "critical"},
    ),
    "AuditBehind": ({"convergio_audit_lag_seconds": "5x9 3601x60"}, "24m", "26m", {"severity": "warning"}),
    "AuditSkipped": ({"convergio_audit_unchecked_messages_total": "0x20 7x10"}, "20m", "22m", {"severity": "warning"}),
    # Time begins at 0: the erasure is carried out after a minute, swept after 90.
    "ErasureNotSwept": ({f"{ERASED}{{{A}}}": "0 60x89 0x30"}, "60m", "80m", {"severity": "warning"}),
    # Time begins at 0: one expires after 14 days and 2 hours, the other after 90 days.
    "CertificateExpires": (
        {
            f'{EXPIRES}{{{A},job="convergio-gateway",file="kafka_ca"}}': "1216800x300",
            f'{EXPIRES}{{{A},job="convergio-exporter",file="clickhouse_ca"}}': "7776000x300",
        },
        "179m",
        "182m",
        {"job": "convergio-gateway", "file": "kafka_ca", "severity": "warning"},
    ),
    "ClocksDisagree": (
        {f"convergio_processor_clocks_disagree{{{A}}}": "0x9 1x200"},
        "129m",
        "131m",
        {"instance": "a", "severity": "warning"},
    ),
    "DayNotClosed": (
        {f"convergio_processor_oldest_day_to_close_timestamp_seconds{{{A}}}": "0x59 86400x59 172800x500"},
        "355m",
        "362m",
        {"severity": "warning"},
    ),
    "DayNotDropped": ({f"convergio_processor_kept_days{{{A}}}": "0x9 1x200"}, "129m", "131m", {"severity": "warning"}),
}
SUMMARIES = {
    "TargetDown": "convergio-gateway at a cannot be scraped",
    "JobMissing": "Prometheus scrapes no convergio-processor at all",
    "GatewayNotReady": "The gateway at a takes no events; its /readyz gives the reason",
    "GatewayUnavailable": "10% of the requests are answered with a 5xx",
    "EventsStoredLate": "A message has waited for 1m 1s to be stored",
    "CommitsStandStill": "Messages wait in partition 0 and no processor processes any",
    "AuditBehind": "The oldest message that was not checked yet is 1h 0m 1s old",
    "FlushFailing": "a cannot store its events and tries again",
    "MissingOffsets": "The log of partition 0 holds no record at some offsets",
    "CertificateExpires": "A certificate in the file kafka_ca of convergio-gateway expires in 13d 22h 58m 0s",
    "ClocksDisagree": "The clock of a and ClickHouse's differ by over an hour, so no day is closed",
    "DayNotDropped": "ClickHouse does not drop 1 closed day(s) because of their size",
}
"""Those that quote what they found."""


async def promtool(*arguments: str | Path) -> str:
    """Its output; fails if it does."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_prometheus_takes_the_configuration_and_all_rules() -> None:
    said = await promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert f"{len(NAMES)} rules found" in said


@pytest.mark.parametrize("name", NAMES)
async def test_an_alert_fires_when_it_should_and_not_before(name: str, tmp_path: Path) -> None:
    series, silent, firing, labels = CASES[name]
    summary = SUMMARIES.get(name) or _summary(name)
    annotations = {"summary": summary, "runbook": f"docs/runbook.md#{name.lower()}"}
    # Tests in JSON, which is YAML, too.
    tests: dict[str, Any] = {
        "rule_files": [str(RULES), str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": each, "values": values} for each, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": silent, "alertname": name, "exp_alerts": []},
                    {
                        "eval_time": firing,
                        "alertname": name,
                        "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
                    },
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(json.dumps(tests))
    await promtool("test", "rules", file)


async def test_an_erasure_that_is_swept_alerts_no_more(tmp_path: Path) -> None:
    series, _, _, _ = CASES["ErasureNotSwept"]
    file = tmp_path / "test.yml"
    values = [{"series": each, "values": text} for each, text in series.items()]
    silent = {"eval_time": "100m", "alertname": "ErasureNotSwept", "exp_alerts": []}
    test = {"interval": "1m", "input_series": values, "alert_rule_test": [silent]}
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    await promtool("test", "rules", file)


def test_every_alert_has_a_case_and_an_entry_in_the_runbook_and_no_entry_is_left_over() -> None:
    assert sorted(NAMES) == sorted(CASES) == sorted(HEADINGS)
    entries = RUNBOOK.read_text(encoding="utf-8").split("\n## ")[1:]
    assert all(entry.count(f"- **{part}**: ") == 1 for entry in entries for part in ("See", "Means", "Do"))


def test_rules_rely_on_no_series_that_is_not_documented() -> None:
    documented = {
        name
        for page in ("metrics.md", "service-metrics.md")
        for name in re.findall(r"convergio_\w+", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    }
    text = ALERTS.read_text(encoding="utf-8") + RULES.read_text(encoding="utf-8")
    assert set(re.findall(r"\bconvergio_\w+", text)) <= documented
    recorded = set(re.findall(r"record: (convergio:\S+)", text))
    assert set(re.findall(r"convergio:\w+:\w+", text + RUNBOOK.read_text(encoding="utf-8"))) <= recorded


def _summary(name: str) -> str:
    """As it stands in the file."""
    entry = ALERTS.read_text(encoding="utf-8").split(f"alert: {name}\n")[1]
    return entry.split("summary: ")[1].splitlines()[0].strip('"')
