"""The jars of the local Kafka broker: fetched once from Maven by `jgo`, then read from the local repository.

`kafka_jars.lock` names every jar with its SHA-256, so a start needs no dependency resolution and no network
once they are there, everyone runs the same broker, and a download that was cut off is noticed and repeated.
Rewrite it after changing ROOTS with `python -m infra.local.kafka_jars`.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext
from jgo.parse import Coordinate

from infra.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jgo.maven import Artifact

KAFKA_VERSION = "4.1.2"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-server:{KAFKA_VERSION}",
    # "!": without the version pins this one's parent would impose on the others.
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!",
)
LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")
PARALLEL_DOWNLOADS = 8


@dataclass(frozen=True, slots=True)
class LockedJar:
    coordinate: str
    """group:artifact:version"""
    sha256: str


def read_lock(text: str) -> list[LockedJar]:
    """The jars of a lock file: one `group:artifact:version sha256` a line, `#` begins a comment line."""
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [LockedJar(coordinate, digest) for coordinate, digest in lines]


def kafka_class_path(jars: Sequence[LockedJar] | None = None) -> list[Path]:
    """Paths of every jar the broker needs, fetching those that are not in the local Maven repository.

    A mirror in jgo's configuration is asked before Maven Central.
    Raises Unavailable when one of them can neither be found nor fetched.
    """
    jars = read_lock(LOCK_FILE.read_text()) if jars is None else jars
    context = _maven()
    try:
        with _one_fetcher_at_a_time(), ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            return list(pool.map(lambda jar: _fetch(context, jar), jars))
    except (OSError, RuntimeError) as problem:  # requests' errors are OSErrors, jgo's own are RuntimeErrors
        reason = str(problem).splitlines()[0]
        raise Unavailable(
            f"cannot fetch Apache Kafka {KAFKA_VERSION} from Maven ({reason});"
            " connect once, or set M2_REPO to a Maven repository that holds it"
        ) from problem


def _maven() -> MavenContext:
    settings = GlobalSettings.load()
    repositories = {**settings.repositories, "central": MAVEN_CENTRAL_URL}
    return MavenContext(repo_cache=settings.repo_cache, remote_repos=repositories)


@contextmanager
def _one_fetcher_at_a_time() -> Iterator[None]:
    """jgo writes straight to the final path, so a second process must not look at half a jar."""
    repository = Path(GlobalSettings.load().repo_cache)
    repository.mkdir(parents=True, exist_ok=True)
    with (repository / ".convergio-kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _artifact(context: MavenContext, coordinate: str) -> Artifact:
    group, name, version = coordinate.split(":")
    return context.project(group, name).at_version(version).artifact()


def _fetch(context: MavenContext, jar: LockedJar) -> Path:
    path = Path(_artifact(context, jar.coordinate).resolve())
    if _sha256(path) != jar.sha256:
        path.unlink()
        path = Path(_artifact(context, jar.coordinate).resolve())
    if _sha256(path) != jar.sha256:
        path.unlink()
        raise RuntimeError(f"{jar.coordinate} does not have the checksum in {LOCK_FILE.name}")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def resolve_lock() -> str:
    """A new lock file's text: ROOTS and all they need at run time, as Maven resolves them now."""
    context = _maven()
    roots, transitive = context.resolver.resolve([context.create_dependency(Coordinate.parse(root)) for root in ROOTS])
    needed = [*roots, *(found for found in transitive if found.scope in ("compile", "runtime"))]
    lines = []
    for artifact in (dependency.artifact for dependency in needed):
        digest = _sha256(Path(artifact.resolve()))
        lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}\n")
    return "# Written by `python -m infra.local.kafka_jars`; do not edit.\n" + "".join(sorted(lines))


if __name__ == "__main__":
    LOCK_FILE.write_text(resolve_lock())
    sys.stdout.write(f"{LOCK_FILE.name}: {len(read_lock(LOCK_FILE.read_text()))} jars\n")
