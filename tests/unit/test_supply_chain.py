"""What the tools of the supply-chain check say, and what is made of it: nothing that was not looked up passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.checks import supply_chain
from infra.checks.supply_chain import judge_npm_audit, judge_pip_audit, kafka_sbom
from infra.checks.verdict import Verdict

GOOD: dict[str, Any] = {"name": "good", "version": "1.0", "vulns": []}
BAD: dict[str, Any] = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
UNKNOWN: dict[str, Any] = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


def test_packages_without_known_vulnerabilities_pass() -> None:
    assert str(judge_pip_audit({"dependencies": [GOOD, GOOD]})) == "passed"
    assert str(judge_npm_audit({"auditReportVersion": 2, "vulnerabilities": {}})) == "passed"


def test_a_vulnerable_package_fails_by_name_also_beside_unknown_ones() -> None:
    assert str(judge_pip_audit({"dependencies": [GOOD, UNKNOWN, BAD]})) == "failed: bad 2.0 (PYSEC-1, PYSEC-2)"
    report = {"auditReportVersion": 2, "vulnerabilities": {"vite": {"severity": "high"}}}
    assert str(judge_npm_audit(report)) == "failed: vite (high)"


def test_many_vulnerable_packages_are_one_line() -> None:
    verdict = judge_pip_audit({"dependencies": [BAD] * 12})
    assert verdict.why.endswith(" and 2 more")


def test_packages_that_nobody_looked_up_do_not_pass() -> None:
    assert judge_pip_audit({"dependencies": [GOOD, UNKNOWN]}) == Verdict(
        "could not run", "1 of 2 packages could not be looked up: Dependency not found on PyPI"
    )
    refused = judge_npm_audit({"message": "405 Method Not Allowed", "statusCode": 405})
    assert str(refused) == "could not run: 405 Method Not Allowed"


def test_the_sbom_of_kafka_names_every_jar_of_the_lock() -> None:
    lock = (Path(supply_chain.ROOT) / "infra/local/kafka_jars.lock").read_text()
    document = kafka_sbom(lock)
    assert len(document["components"]) == len(lock.splitlines()) - 1
    assert "pkg:maven/org.apache.kafka/kafka-clients@4.1.2" in {each["purl"] for each in document["components"]}
