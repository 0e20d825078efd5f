"""What is asked of a ClickHouse server: which one is refused, and what a statement says to the others."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.clickhouse import DEFINING, MINIMUM_VERSION, READING, WRITING, Needs, sayable, unmet
from tests.servers import CLICKHOUSE_IMAGE

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
MINIMUM = ".".join(map(str, MINIMUM_VERSION))


class Setting(NamedTuple):
    value: str
    readonly: int = 0


def having(needs: Needs, **changed: Setting) -> dict[str, Setting]:
    """The settings of a user who has what is needed, but for some."""
    return {name: Setting(value) for name, value in {**needs.said, **needs.given}.items()} | changed


@pytest.mark.parametrize("version", [MINIMUM, f"{MINIMUM}.1.1", "25.10.3.7", "26.3.1.1-altinitystable", "100.1"])
def test_a_version_that_is_new_enough_is_taken(version: str) -> None:
    assert unmet(version, having(WRITING), WRITING) is None


@pytest.mark.parametrize("version", ["25.7.9.1", "24.12.1.1", "9.9", "", None, "unknown"])
def test_an_older_version_is_refused_by_its_number(version: str | None) -> None:
    said = unmet(version, having(READING), READING)
    assert said == f"it is version {version or 'unknown'}; {MINIMUM} or newer is needed"


@pytest.mark.parametrize("needs", [READING, WRITING, DEFINING], ids=["reading", "writing", "defining"])
def test_a_setting_that_a_statement_may_change_is_never_in_the_way(needs: Needs) -> None:
    settings = {name: Setting("something else") for name in needs.said} | having(Needs({}, needs.given))
    assert unmet("26.9", settings, needs) is None
    assert sayable(settings, needs.said) == list(needs.said)


@pytest.mark.parametrize("name", DEFINING.said)
def test_a_setting_that_may_not_be_changed_must_be_right(name: str) -> None:
    right = having(DEFINING, **{name: Setting(DEFINING.said[name], readonly=1)})
    assert unmet("26.9", right, DEFINING) is None
    assert name not in sayable(right, DEFINING.said)
    said = unmet("26.9", having(DEFINING, **{name: Setting("wrong", readonly=1)}), DEFINING)
    assert said is not None
    assert said.startswith(f"its user has {name}='wrong' and may not change it; set {name}=")


@pytest.mark.parametrize(("name", "value"), [("readonly", "1"), ("readonly", "2"), ("allow_ddl", "0")])
def test_who_writes_may_not_be_read_only(name: str, value: str) -> None:
    assert unmet("26.9", having(READING, **{name: Setting(value)}), READING) is None
    said = unmet("26.9", having(WRITING, **{name: Setting(value)}), WRITING)
    assert said is not None
    assert f"{name}='{value}'" in said


def test_a_list_of_settings_that_broke_off_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(ConnectionError, match="broke off"):
        unmet("26.9", {}, WRITING)


def test_a_setting_that_older_versions_do_not_know_is_not_missed_and_not_said() -> None:
    settings = having(WRITING)
    for name in ("deduplicate_insert", "deduplicate_insert_select"):
        del settings[name]
    assert unmet(MINIMUM, settings, WRITING) is None
    assert set(WRITING.said) - set(sayable(settings, WRITING.said)) == {
        "deduplicate_insert",
        "deduplicate_insert_select",
    }


def test_the_oldest_version_is_the_one_that_tests_run_against_and_the_page_names_it() -> None:
    assert CLICKHOUSE_IMAGE.rpartition(":")[2] == MINIMUM
    assert f"\nVersion {MINIMUM} or newer" in DOCUMENT.read_text()
