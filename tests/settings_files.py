"""Settings of a test's own: no variable of this machine, and a configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import Settings, variable


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes every setting out of the environment for the rest of the test."""
    for name in (*Settings.model_fields, "config"):
        monkeypatch.delenv(variable(name), raising=False)


def toml_file(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file in a folder, and `CONVERGIO_CONFIG` that names it."""
    file = path / "convergio.toml"
    file.write_text(text)
    monkeypatch.setenv("CONVERGIO_CONFIG", str(file))
    return file
