"""Grafana's dashboards as code: `make dashboards` writes them to infra/deploy/grafana/dashboards.

They need Grafana 11.6 or newer, and Prometheus with the rules of infra/deploy/prometheus.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"


def dashboards() -> dict[str, str]:
    """The text of each dashboard by the name of its file."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    from infra.grafana import pipeline, study

    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{module.UID}.json": encoder.encode(module.dashboard().build()) + "\n" for module in (study, pipeline)}
