"""The tests of what an operator runs around the services, the long ones too, by subject."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from infra.checks.verdict import Checks, Verdict

ROOT: Final = Path(__file__).parents[2]

SUITES: Final[dict[str, Sequence[str]]] = {
    "dashboards, rules and alerts": (
        "tests/contract/test_dashboards.py",
        "tests/contract/test_alerts.py",
        "tests/contract/test_service_metrics.py",
        "tests/e2e/test_pipeline.py",
        "tests/e2e/test_alerting.py",
    ),
    "the running audit": ("tests/operations/test_audit_follow.py",),
    "load balancers and addresses": (
        "tests/contract/test_behind_a_proxy.py",
        "tests/contract/test_odd_headers.py",
        "tests/contract/test_balancer_limits.py",
        "tests/operations/test_listening.py",
        "tests/e2e/test_balancers.py",
        "tests/faults/test_rolling_restart.py",
    ),
    "settings, folders and ports": (
        "tests/contract/test_settings_refused.py",
        "tests/operations/test_session_timeout.py",
        "tests/operations/test_data_folders.py",
        "tests/operations/test_local_stack.py",
    ),
    "several workers": ("tests/unit/test_shared_limits.py", "tests/operations/test_gateway_workers.py"),
    "systemd units": ("tests/contract/test_systemd.py",),
    "Kafka with TLS and users": ("tests/operations/test_kafka_tls.py", "tests/operations/test_kafka_users.py"),
    "ClickHouse with TLS and users": (
        "tests/operations/test_clickhouse_tls.py",
        "tests/operations/test_clickhouse_users.py",
        "tests/operations/test_clickhouse_analysts.py",
    ),
    "certificates and secrets": (
        "tests/contract/test_secret_files.py",
        "tests/unit/test_certificates.py",
        "tests/faults/test_certificate_rotation.py",
    ),
    "what logs hold": ("tests/operations/test_logs.py",),
    "the overview": (
        "tests/contract/test_overview.py",
        "tests/unit/test_overview_comparison.py",
        "tests/unit/test_overview_reader.py",
        "tests/integration/test_overview_values.py",
    ),
}
"""Files of tests by subject."""

UNCOVERED: Final = (
    "Grafana: the dashboards' queries run in Prometheus, and Grafana itself is never started",
    "a ClickHouse server: chDB, the same engine, takes its place, with the shipped grants in force",
    "systemd as the init process: the units are checked by systemd-analyze",
    "HAProxy, Traefik, AWS ALB and Google's load balancer: docs/operations.md follows their documentation",
)
"""What no check here runs, whatever is installed."""


def run_suite(files: Sequence[str]) -> Verdict:
    """Runs the tests of some files. What was skipped could not run, and its reasons say what is missing."""
    with tempfile.TemporaryDirectory(prefix="convergio-checks-") as folder:
        report, log = Path(folder) / "report.xml", Path(folder) / "log"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *files]
        with log.open("w") as output:
            ended = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
        if not report.exists():
            return Verdict("failed", f"pytest ended with {ended.returncode}: {log.read_text().strip()[-200:]}")
        verdict = judge(ElementTree.parse(report).getroot())
        if verdict.outcome == "failed":
            sys.stdout.write(log.read_text())
        return verdict


def judge(report: ElementTree.Element) -> Verdict:
    """Of the JUnit report of pytest."""
    cases = list(report.iter("testcase"))
    if not cases:
        return Verdict("failed", "there is no test")
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if failed:
        return Verdict("failed", ", ".join(failed))
    reasons = [found.get("message", "") for found in (case.find("skipped") for case in cases) if found is not None]
    if reasons:
        return Verdict("could not run", f"{len(reasons)} of {len(cases)} tests: {'; '.join(dict.fromkeys(reasons))}")
    return Verdict("passed", f"{len(cases)} tests")


CHECKS: Final[Checks] = {name: partial(run_suite, files) for name, files in SUITES.items()}
