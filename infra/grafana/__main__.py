"""Writes the dashboards."""

from __future__ import annotations

from infra.grafana import FOLDER, dashboards

for name, text in dashboards().items():
    (FOLDER / name).write_text(text, encoding="utf-8")
