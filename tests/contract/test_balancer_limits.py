"""The limits in the load balancers' configurations fit those of the services, by default."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from exporter.settings import ExporterSettings
from ingest.connection import MAX_HEADERS
from ingest.settings import MIB, GatewaySettings
from tests.balancers import ENVOY_CONFIGURATION, NGINX_CONFIGURATION

NGINX, ENVOY = NGINX_CONFIGURATION.read_text(), ENVOY_CONFIGURATION.read_text()
GATEWAY, EXPORTER = GatewaySettings(), ExporterSettings()


def nginx(name: str, after: str = "") -> str:
    """The value of a directive, the first one after a text."""
    return _found(NGINX, rf"^ +{name} (.+);", after)


def envoy(name: str, after: str = "") -> str:
    """The value of a field, the first one after a text."""
    return _found(ENVOY, rf"[ {{]{name}: ([^ ,}}\n]+)", after)


def _found(text: str, pattern: str, after: str) -> str:
    found = re.search(pattern, text[text.index(after) :], re.MULTILINE)
    assert found is not None, pattern
    return found[1]


def seconds(value: str) -> float:
    return float(value.removesuffix("s"))


@pytest.mark.parametrize(
    "largest", [int(nginx("client_max_body_size").removesuffix("m")) * MIB, int(envoy("max_request_bytes"))]
)
def test_a_body_that_is_too_large_for_the_gateway_reaches_it(largest: int) -> None:
    assert GATEWAY.max_body_bytes < largest <= 2 * GATEWAY.max_body_bytes


def test_envoy_can_repeat_every_body_it_takes() -> None:
    assert int(envoy("per_connection_buffer_limit_bytes", "listeners:")) >= int(envoy("max_request_bytes"))
    assert int(envoy("per_connection_buffer_limit_bytes", "clusters:")) >= int(envoy("max_request_bytes"))


def test_a_head_that_is_too_large_does_not_reach_the_gateway() -> None:
    buffers, size = nginx("large_client_header_buffers").removesuffix("k").split()
    assert int(buffers) * int(size) * 1024 <= GATEWAY.max_head_bytes
    assert int(envoy("max_request_headers_kb")) * 1024 < GATEWAY.max_head_bytes
    assert int(envoy("max_headers_count")) < MAX_HEADERS


@pytest.mark.parametrize("read", [nginx, envoy])
@pytest.mark.parametrize("service", ["convergio_gateways", "convergio_exporter"])
def test_the_balancer_closes_idle_connections_first(read: Callable[[str, str], str], service: str) -> None:
    name, after = (
        ("keepalive_timeout", f"upstream {service}") if read is nginx else ("idle_timeout", f"- name: {service}")
    )
    assert seconds(read(name, after)) < GATEWAY.keep_alive_seconds == EXPORTER.keep_alive_seconds


def test_the_services_own_answers_come_before_the_balancers_patience_ends() -> None:
    for patience in (
        nginx("proxy_read_timeout", "location /api/telemetry/ "),
        envoy("per_try_timeout"),
    ):
        assert seconds(patience) > GATEWAY.ack_timeout_seconds
    for patience in (nginx("proxy_read_timeout", "/stats"), envoy("timeout", "/stats")):
        assert seconds(patience) > EXPORTER.stats_timeout_seconds


def test_there_is_time_for_every_attempt() -> None:
    assert seconds(envoy("timeout", "prefix: /api/telemetry/")) >= seconds(envoy("per_try_timeout")) * (
        1 + int(envoy("num_retries", "prefix: /api/telemetry/"))
    )
    assert seconds(nginx("proxy_next_upstream_timeout")) >= 2 * seconds(nginx("proxy_read_timeout"))


def test_a_failed_post_is_sent_to_another_gateway() -> None:
    assert "non_idempotent" in nginx("proxy_next_upstream")
    assert "reset" in envoy("retry_on", "prefix: /api/telemetry/")


def test_slow_clients_end_at_the_balancer() -> None:
    assert seconds(nginx("client_header_timeout")) <= GATEWAY.head_seconds
    assert seconds(envoy("request_headers_timeout")) <= GATEWAY.head_seconds
    assert seconds(nginx("client_body_timeout")) <= GATEWAY.body_stall_seconds
    assert seconds(envoy("request_timeout")) <= GATEWAY.body_total_seconds
