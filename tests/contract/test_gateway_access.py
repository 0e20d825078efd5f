"""Write keys, origins, rate limits, health, metrics and the documentation of the gateway."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.events import CATEGORIES
from tests.gateway import EVENTS, Answer, Gateway, batch, create_topic, event, running_gateway, settings

APP = "https://app.example.org"
ME = "/api/telemetry/me"
CONSENT = "/api/telemetry/consent"
IDENTITY = "/api/telemetry/identity"


@pytest.fixture(scope="module")
async def topic(kafka_bootstrap: str) -> str:
    return await create_topic(kafka_bootstrap)


@pytest.fixture(scope="module")
async def guarded(kafka_bootstrap: str, topic: str) -> AsyncIterator[Gateway]:
    """A gateway with write keys and allowed origins."""
    chosen = settings(kafka_bootstrap, topic, write_keys="first-key,second-key", allowed_origins=APP)
    async with running_gateway(chosen) as running:
        yield running


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str, topic: str) -> AsyncIterator[Gateway]:
    async with running_gateway(settings(kafka_bootstrap, topic)) as running:
        yield running


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer first-key"}, {"X-Write-Key": "second-key"}])
async def test_any_configured_write_key_opens(guarded: Gateway, headers: dict[str, str]) -> None:
    assert (await guarded.post(batch(), headers=headers)).status == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Basic eDp5"}, 401), ({"X-Write-Key": "third"}, 403), ({"X-Write-Key": "é"}, 403)],
)
async def test_no_key_is_a_401_and_a_wrong_one_a_403(guarded: Gateway, headers: dict[str, str], status: int) -> None:
    answer = await guarded.post(batch(), headers=headers)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


async def test_write_keys_are_rotated_without_a_gap_and_the_old_one_is_refused_afterwards(
    kafka_bootstrap: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "write-keys"
    monkeypatch.setenv("CONVERGIO_WRITE_KEYS_FILE", str(file))
    before, during, after = ["old-key"], ["old-key", "new-key"], ["new-key"]
    accepted: list[list[str]] = []
    for keys in (before, during, after):
        file.write_text("\n".join(keys) + "\n")
        async with running_gateway(settings(kafka_bootstrap, topic)) as restarted:
            answers = {key: await restarted.post(batch(), headers={"X-Write-Key": key}) for key in during}
        assert {answer.status for answer in answers.values()} <= {202, 403}
        accepted.append([key for key, answer in answers.items() if answer.status == 202])
    # Gateways of two neighbouring steps run side by side: pages that use the old key until the second is complete, and
    # the new one from then on, are accepted by all.
    assert accepted == [before, during, after]


async def test_an_allowed_origin_may_send_cookies_and_read_the_answer(guarded: Gateway) -> None:
    answer = await guarded.post(batch(), headers={"Origin": APP, "X-Write-Key": "first-key"})
    assert answer.status == 202
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "retry-after" in answer.headers["Access-Control-Expose-Headers"].lower()
    assert "origin" in answer.headers["Vary"].lower()


async def test_an_allowed_origin_may_read_errors_too(guarded: Gateway) -> None:
    answer = await guarded.post(b"no", headers={"Origin": APP, "X-Write-Key": "first-key"})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (400, APP)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", APP + ".evil.example", "http://app.example.org"])
async def test_another_origin_is_a_403_without_cors_headers(guarded: Gateway, origin: str) -> None:
    for path, method in ((EVENTS, "POST"), (CONSENT, "POST"), (IDENTITY, "POST"), (ME, "DELETE"), (EVENTS, "OPTIONS")):
        answer = await guarded.request(method, path, headers={"Origin": origin, "X-Write-Key": "first-key"}, body=b"{}")
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_gateways_own_host_is_always_allowed(guarded: Gateway) -> None:
    answer = await guarded.post(batch(), headers={"Origin": guarded.url, "X-Write-Key": "first-key"})
    assert answer.status == 202


@pytest.mark.parametrize(("path", "method"), [(EVENTS, "POST"), (ME, "DELETE"), (CONSENT, "POST"), (IDENTITY, "POST")])
async def test_a_preflight_tells_an_allowed_origin_what_it_may_send(guarded: Gateway, path: str, method: str) -> None:
    answer = await guarded.request("OPTIONS", path, headers={"Origin": APP, "Access-Control-Request-Method": method})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "content-encoding" in answer.headers["Access-Control-Allow-Headers"]


async def test_the_other_routes_let_an_allowed_origin_read_their_answers(guarded: Gateway) -> None:
    answer = await guarded.post({"optOut": True}, path=CONSENT, headers={"Origin": APP})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, APP)
    answer = await guarded.request("POST", IDENTITY, headers={"Origin": APP})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, APP)
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_without_configured_origins_none_is_refused_and_none_may_read(gateway: Gateway) -> None:
    answer = await gateway.post(batch(), headers={"Origin": "https://anyone.example"})
    assert answer.status == 202
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_user_over_the_limit_is_told_when_to_come_back(kafka_bootstrap: str, topic: str) -> None:
    slow = settings(kafka_bootstrap, topic, rate_limit_enabled=True, user_events_burst=500, user_events_per_second=0.5)
    async with running_gateway(slow) as gateway:
        user = str(uuid.uuid4())
        full = batch(*[event() for _ in range(500)], userId=user)
        assert (await gateway.post(full)).status == 202
        answer = await gateway.post(batch(event(), event(), userId=user))
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) in (3, 4)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (await gateway.post(batch())).status == 202
        assert len(await gateway.rows(user)) == 500


async def test_an_address_over_the_limit_is_told_when_to_come_back(kafka_bootstrap: str, topic: str) -> None:
    slow = settings(
        kafka_bootstrap,
        topic,
        rate_limit_enabled=True,
        address_requests_burst=2,
        address_requests_per_second=0.01,
        trusted_proxies="127.0.0.1",
    )
    async with running_gateway(slow) as gateway:

        async def post(address: str) -> int:
            answer = await gateway.post(batch(), headers={"X-Forwarded-For": f"198.51.100.1, {address}"})
            assert (answer.status == 429) == ("Retry-After" in answer.headers)
            return answer.status

        assert [await post("192.0.2.7") for _ in range(3)] == [202, 202, 429]
        assert await post("192.0.2.8") == 202
        # One household or school has a /64 of its own.
        assert [await post(f"2001:db8::{host}") for host in range(3)] == [202, 202, 429]
        assert await post("2001:db8:0:1::1") == 202


async def test_an_erasure_takes_more_of_an_addresss_allowance_than_a_batch(kafka_bootstrap: str, topic: str) -> None:
    slow = settings(
        kafka_bootstrap, topic, rate_limit_enabled=True, address_requests_burst=30, address_requests_per_second=0.01
    )
    async with running_gateway(slow) as gateway:

        async def erase() -> Answer:
            return await gateway.request(
                "DELETE", "/api/telemetry/me", headers={"Cookie": f"convergio_uid={uuid.uuid4()}"}
            )

        assert (await erase()).status == 202
        refused = await erase()
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert (await gateway.post(batch())).status == 202


async def test_first_contact_takes_as_much_of_an_addresss_allowance_as_a_batch(
    kafka_bootstrap: str, topic: str
) -> None:
    slow = settings(
        kafka_bootstrap, topic, rate_limit_enabled=True, address_requests_burst=2, address_requests_per_second=0.01
    )
    async with running_gateway(slow) as gateway:
        assert (await gateway.request("POST", IDENTITY)).status == 200
        assert (await gateway.post(batch())).status == 202
        refused = await gateway.request("POST", IDENTITY)
        assert (refused.status, refused.cookies) == (429, [])
        assert int(refused.headers["Retry-After"]) > 0


async def test_health_and_readiness_are_told_apart(gateway: Gateway) -> None:
    assert (await gateway.request("GET", "/healthz")).status == 200
    assert (await gateway.request("GET", "/readyz")).status == 200


async def test_an_unknown_path_is_a_404_problem(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/api/telemetry/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "allowed"), [(ME, "DELETE"), (CONSENT, "POST"), (IDENTITY, "POST"), ("/healthz", "GET")]
)
async def test_other_routes_name_their_methods_as_well(gateway: Gateway, path: str, allowed: str) -> None:
    answer = await gateway.request("PATCH", path)
    assert (answer.status, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert allowed in answer.headers["Allow"]


async def test_the_gateways_metrics_count_requests_events_and_acknowledgements(
    kafka_bootstrap: str, topic: str
) -> None:
    async with running_gateway(settings(kafka_bootstrap, topic)) as gateway:
        await gateway.post(batch(event(), event(), event(category="gossip")))
        await gateway.post(b"no")
        answer = await gateway.request("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.body.decode().splitlines()
    for expected in (
        'convergio_gateway_requests_total{status="202"} 1.0',
        'convergio_gateway_requests_total{status="400"} 1.0',
        'convergio_gateway_requests_total{status="503"} 0.0',
        'convergio_gateway_events_total{verdict="accepted"} 2.0',
        'convergio_gateway_events_total{verdict="unknown_category"} 1.0',
        'convergio_gateway_events_total{verdict="too_old"} 0.0',
        "convergio_gateway_acknowledgement_seconds_count 1.0",
        "convergio_gateway_inflight_bytes 0.0",
        "convergio_gateway_ready 1.0",
    ):
        assert expected in lines
    assert any(line.startswith("convergio_gateway_build_info{version=") for line in lines)


async def test_metrics_speak_openmetrics_when_asked(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


async def test_the_openapi_document_describes_the_hot_route_by_the_types_it_uses(gateway: Gateway) -> None:
    document = (await gateway.request("GET", "/openapi.json")).json
    operation = document["paths"][EVENTS]["post"]
    assert set(operation["responses"]) == {"202", "400", "401", "403", "408", "413", "415", "422", "429", "431", "503"}
    assert set(operation["requestBody"]["content"]) == {"application/json", "text/plain"}
    schemas = document["components"]["schemas"]
    assert set(schemas) >= {"Batch", "Verdict", "Rejection", "ProblemDocument"}
    assert {
        schema["properties"]["category"]["const"]
        if "const" in schema["properties"]["category"]
        else schema["properties"]["category"]["enum"][0]
        for schema in schemas.values()
        if "category" in schema.get("properties", {})
    } == set(CATEGORIES)
    assert set(document["paths"]) >= {EVENTS, ME, CONSENT, IDENTITY, "/healthz", "/readyz", "/metrics"}
    validator = Draft202012Validator({"$ref": "#/components/schemas/Batch", "components": document["components"]})
    validator.validate(batch())
    assert not validator.is_valid(batch(event(email="x")))
    validator = Draft202012Validator({"$ref": "#/components/schemas/Verdict", "components": document["components"]})
    validator.validate((await gateway.post(batch(event(), event(category="gossip")))).json)


async def test_the_documentation_is_there_to_read(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/docs")
    assert answer.status == 200
    assert b"/openapi.json" in answer.body
