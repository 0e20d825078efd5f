"""The page on the services' own metrics names every series with its labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from infra.audit.follow import AuditMetrics
from infra.audit.follow.positions import Position
from ingest.metrics import GatewayMetrics
from processors.metrics import ProcessorMetrics
from processors.offsets import Progress
from tests.certificates import Authority

DOCUMENT = Path(__file__).parents[2] / "docs" / "service-metrics.md"
ROW = re.compile(r"^\| `(convergio_\w+)` \| (\w+) \| (.+?) \|", re.MULTILINE)


def shown(folder: Path) -> dict[str, tuple[str, frozenset[str]]]:
    certificates = {"kafka_ca": str(Authority(folder).file)}
    processor = ProcessorMetrics(certificates)
    processor.show_lag({0: Progress(0, 0)})
    processor.missing_offsets(0, 1)
    processor.show_parts({"events_data": 1})
    audit = AuditMetrics(certificates)
    audit.show({0: Position(0)})
    found = {}
    for registry in (GatewayMetrics(certificates=certificates).registry, processor.registry, audit.registry):
        for family in registry.collect():
            if family.name.startswith("convergio_"):
                name = family.name + ("_total" if family.type == "counter" else "")
                labels = {label for sample in family.samples for label in sample.labels} - {"le"}
                found[name] = (family.type, frozenset(labels))
    return found


def test_the_page_names_every_series_with_type_and_labels_and_no_other(tmp_path: Path) -> None:
    documented = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(DOCUMENT.read_text())
    }
    assert documented == shown(tmp_path)
