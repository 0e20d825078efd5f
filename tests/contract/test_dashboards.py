"""Grafana's dashboards: the committed files are those that the code makes, and every panel says what it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.grafana import FOLDER, dashboards

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
DOCUMENTED = {
    name
    for page in ("metrics.md", "service-metrics.md")
    for name in re.findall(r"convergio_\w+", (ROOT / "docs" / page).read_text(encoding="utf-8"))
}
RULES = (ROOT / "infra" / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
FILES = dashboards()


def test_the_committed_files_are_those_that_the_code_makes() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()} == FILES, "run make dashboards"


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_has_variables_for_its_data_source_and_instances(name: str) -> None:
    made = json.loads(FILES[name])
    assert [variable["name"] for variable in made["templating"]["list"]] == ["datasource", "instance"]
    assert made["uid"] == name.removesuffix(".json")


def panels() -> list[Any]:
    return [pytest.param(panel, id=panel["title"]) for text in FILES.values() for panel in json.loads(text)["panels"]]


@pytest.mark.parametrize("panel", panels())
def test_a_panel_has_a_description_a_unit_and_queries_of_documented_series(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "$datasource"
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for target in panel["targets"]:
        names = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bconvergio_\w+", target["expr"])}
        assert names <= DOCUMENTED
        assert all(f"record: {name}\n" in RULES for name in re.findall(r"convergio:\w+:\w+", target["expr"]))
        assert "$instance" in target["expr"]


@pytest.mark.parametrize("panel", panels())
def test_a_link_to_the_runbook_leads_somewhere(panel: dict[str, Any]) -> None:
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)}
    assert set(re.findall(r"docs/runbook\.md#(\w+)", panel["description"])) <= headings


def test_the_four_panels_that_matter_most_come_first() -> None:
    study = json.loads(FILES["convergio-study.json"])["panels"]
    assert [(panel["title"], panel["type"]) for panel in study[:4]] == [
        ("Active Users", "gauge"),
        ("Study Time", "timeseries"),
        ("Feature Usage", "barchart"),
        ("Maestro Popularity", "piechart"),
    ]
