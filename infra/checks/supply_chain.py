"""`python -m infra.checks.supply_chain`: known vulnerabilities of locked packages, and an SBOM of each lock.

Prints a line for each check: `name: passed`, `name: failed: what`, or `name: could not run: why`. Exits with 1 if one
failed. The tools are installed into `.venv-checks`, once. SBOMs (CycloneDX, JSON) go to `dist/sbom`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from infra.checks.verdict import PASSED, Checks, CouldNotRun, Verdict, exit_code, run

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv-checks"
PINS: Final = Path(__file__).with_name("requirements.txt")
SBOMS: Final = ROOT / "dist" / "sbom"
_TIMEOUT_SECONDS: Final = 600
_LISTED: Final = 10


def judge_pip_audit(report: dict[str, Any]) -> Verdict:
    """Of pip-audit's JSON, in which a package that could not be looked up counts as one without vulnerabilities."""
    found = [
        f"{package['name']} {package['version']} ({', '.join(each['id'] for each in package['vulns'])})"
        for package in report["dependencies"]
        if package.get("vulns")
    ]
    if found:
        return Verdict("failed", _listed(found))
    skipped = [package for package in report["dependencies"] if "skip_reason" in package]
    if skipped:
        total = len(report["dependencies"])
        reason = f"{len(skipped)} of {total} packages could not be looked up: {skipped[0]['skip_reason']}"
        return Verdict("could not run", reason)
    return PASSED


def judge_npm_audit(report: dict[str, Any]) -> Verdict:
    """Of npm's JSON, which is an error's where the registry does not answer."""
    if "auditReportVersion" not in report:
        return Verdict("could not run", str(report.get("message") or report.get("error") or "npm says nothing"))
    found = [f"{name} ({each['severity']})" for name, each in sorted(report["vulnerabilities"].items())]
    return Verdict("failed", _listed(found)) if found else PASSED


def kafka_sbom(lock: str) -> dict[str, Any]:
    """A CycloneDX document of the jars in a lock: a line is `group:artifact:version` and the SHA-256."""
    components = []
    for group, artifact, version, digest in re.findall(r"(?m)^([^:#\s]+):([^:]+):(\S+) ([0-9a-f]{64})$", lock):
        purl = f"pkg:maven/{group}/{artifact}@{version}"
        components.append(
            {
                "type": "library",
                "bom-ref": purl,
                "group": group,
                "name": artifact,
                "version": version,
                "purl": purl,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        )
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def pip_audit() -> Verdict:
    """Every package of requirements.lock against PyPI's advisories."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    return judge_pip_audit(_json_of([_tool("pip-audit"), "-r", ROOT / "requirements.lock", *options]))


def npm_audit() -> Verdict:
    """Every package of client/package-lock.json against npm's advisories."""
    return judge_npm_audit(_json_of(_npm("audit", "--package-lock-only", "--json")))


def sbom_python() -> Verdict:
    """`python.cdx.json`, of requirements.lock."""
    return _written(
        "python", _json_of([_tool("cyclonedx-py"), "requirements", ROOT / "requirements.lock", "--of", "JSON"])
    )


def sbom_npm() -> Verdict:
    """`npm.cdx.json`, of client/package-lock.json."""
    return _written("npm", _json_of(_npm("sbom", "--sbom-format", "cyclonedx", "--package-lock-only")))


def sbom_kafka() -> Verdict:
    """`kafka.cdx.json`, of the local Kafka's jars."""
    return _written("kafka", kafka_sbom((ROOT / "infra/local/kafka_jars.lock").read_text(encoding="utf-8")))


CHECKS: Final[Checks] = {
    "pip-audit": pip_audit,
    "npm audit": npm_audit,
    "SBOM of Python packages": sbom_python,
    "SBOM of npm packages": sbom_npm,
    "SBOM of Kafka's jars": sbom_kafka,
}


def _written(name: str, document: dict[str, Any]) -> Verdict:
    """Writes an SBOM; an empty one, or none, fails."""
    components = document.get("components")
    if document.get("bomFormat") != "CycloneDX" or not components:
        return Verdict("failed", "there is nothing in it")
    SBOMS.mkdir(parents=True, exist_ok=True)
    file = SBOMS / f"{name}.cdx.json"
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return Verdict("passed", f"{len(components)} components in {file.relative_to(ROOT)}")


def _tool(name: str) -> Path:
    """A program of `.venv-checks`, installed when the pins have changed."""
    installed = TOOLS / "requirements.txt"
    if not installed.exists() or installed.read_bytes() != PINS.read_bytes():
        try:
            venv.create(TOOLS, with_pip=True, clear=True)
        except subprocess.CalledProcessError as error:
            raise CouldNotRun(
                "no virtual environment can be made; install Python's venv (Debian: python3-venv)"
            ) from error
        _run([TOOLS / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", PINS])
        installed.write_bytes(PINS.read_bytes())
    return TOOLS / "bin" / name


def _npm(*arguments: str) -> list[str | Path]:
    return [ROOT / "client/scripts/node.sh", "npm", "--prefix", ROOT / "client", *arguments]


def _json_of(command: Iterable[str | Path]) -> dict[str, Any]:
    """What a command prints; many a tool ends with 1 when it has found something."""
    ended = _run(command, codes=(0, 1))
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
    except json.JSONDecodeError as error:
        raise CouldNotRun(_last_line(ended.stderr or ended.stdout)) from error
    return report


def _run(command: Iterable[str | Path], codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    told = [str(part) for part in command]
    try:
        ended = subprocess.run(told, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CouldNotRun(str(error)) from error
    if ended.returncode not in codes:
        raise CouldNotRun(_last_line(ended.stderr or ended.stdout))
    return ended


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "it says nothing"


def _listed(found: list[str]) -> str:
    rest = len(found) - _LISTED
    return ", ".join(found[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


if __name__ == "__main__":
    sys.exit(exit_code(run(CHECKS)))
