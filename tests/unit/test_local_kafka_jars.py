"""Getting the broker's jars, from a Maven repository of this test's own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.errors import Unavailable
from infra.local.kafka_jars import LOCK_FILE, ROOTS, LockedJar, kafka_class_path, read_lock
from infra.local.ports import free_ports

CONTENT = b"the bytes of a jar"
JAR = LockedJar("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())
PATH = "org/example/thing/1.0/thing-1.0.jar"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def local_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repository = tmp_path / "local"
    monkeypatch.setenv("M2_REPO", str(repository))
    return repository


def ask_first(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\nmirror = {mirror}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))


@pytest.fixture
def remote_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The jar as the remote repository has it."""
    jar = tmp_path / "remote" / PATH
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    handler = partial(QuietHandler, directory=tmp_path / "remote")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ask_first(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)
        yield jar
        server.shutdown()


def test_a_jar_is_fetched_once_and_then_needs_no_network(local_repository: Path, remote_jar: Path) -> None:
    assert kafka_class_path([JAR]) == [local_repository / PATH]
    remote_jar.unlink()
    assert [path.read_bytes() for path in kafka_class_path([JAR])] == [CONTENT]


def test_a_jar_that_was_cut_off_while_downloading_is_fetched_again(local_repository: Path, remote_jar: Path) -> None:
    (local_repository / PATH).parent.mkdir(parents=True)
    (local_repository / PATH).write_bytes(CONTENT[:5])
    assert [path.read_bytes() for path in kafka_class_path([JAR])] == [CONTENT]


def test_a_jar_with_other_bytes_than_the_locked_ones_is_not_run(local_repository: Path, remote_jar: Path) -> None:
    remote_jar.write_bytes(b"something else")
    with pytest.raises(Unavailable, match=r"does not have the checksum in kafka_jars\.lock"):
        kafka_class_path([JAR])
    assert not (local_repository / PATH).exists()


@pytest.mark.usefixtures("local_repository")
def test_without_a_network_the_start_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody,) = free_ports(1)
    ask_first(f"http://127.0.0.1:{nobody}", tmp_path, monkeypatch)
    with pytest.raises(Unavailable) as raised:
        kafka_class_path([JAR])
    message = str(raised.value)
    assert message.startswith("cannot fetch Apache Kafka")
    assert "connect once" in message
    assert "\n" not in message


def test_the_lock_names_the_broker_that_was_asked_for() -> None:
    locked = {jar.coordinate for jar in read_lock(LOCK_FILE.read_text())}
    assert {root.rstrip("!") for root in ROOTS} <= locked
