"""Identity, opting out, erasure: what a person may rely on, against a real Kafka."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest

from schemas.envelope import decode_erasure, partition_for
from tests.gateway import EVENTS, Answer, Gateway, batch, create_topic, event, running_gateway, settings, until
from tests.raw_http import connection, post

ME = "/api/telemetry/me"
CONSENT = "/api/telemetry/consent"
IDENTITY = "/api/telemetry/identity"
TOKEN = "operator-token-of-the-tests"
THIRTEEN_MONTHS_SECONDS = 396 * 24 * 3600


@pytest.fixture(scope="module")
async def topic(kafka_bootstrap: str) -> str:
    return await create_topic(kafka_bootstrap)


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str, topic: str) -> AsyncIterator[Gateway]:
    async with running_gateway(settings(kafka_bootstrap, topic, operator_token=TOKEN)) as running:
        yield running


def cookie(answer: Answer) -> SimpleCookie:
    (text,) = answer.cookies
    return SimpleCookie(text)


async def test_a_stranger_is_given_a_random_id_in_a_first_party_cookie(gateway: Gateway) -> None:
    answer = await gateway.post(batch(userId=None))
    assert answer.status == 202
    given = cookie(answer)["convergio_uid"]
    assert uuid.UUID(given.value).version == 4
    assert (given["samesite"], given["path"], given["httponly"], given["secure"]) == ("Lax", "/", True, "")
    assert given["domain"] == ""
    assert 0 < int(given["max-age"]) < THIRTEEN_MONTHS_SECONDS
    assert len(await gateway.rows(given.value)) == 1


async def test_two_strangers_are_two_users(gateway: Gateway) -> None:
    first, second = await gateway.post(batch(userId=None)), await gateway.post(batch(userId=None))
    assert first.cookies != second.cookies


async def test_a_known_browser_keeps_its_id_and_is_not_given_another(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    answer = await gateway.post(batch(userId=None), headers={"Cookie": f"theme=dark; convergio_uid={user}; other=1"})
    assert (answer.status, answer.cookies) == (202, [])
    assert len(await gateway.rows(user)) == 1


async def test_an_id_in_the_body_wins_over_the_cookie(gateway: Gateway) -> None:
    in_body, in_cookie = str(uuid.uuid4()), str(uuid.uuid4())
    answer = await gateway.post(batch(userId=in_body), headers={"Cookie": f"convergio_uid={in_cookie}"})
    assert answer.cookies == []
    assert len(await gateway.rows(in_body)) == 1
    assert await gateway.rows(in_cookie) == []


@pytest.mark.parametrize("value", ["", "me", "'; DROP TABLE users", "0" * 36, "é"])
async def test_an_invalid_cookie_is_replaced_by_a_fresh_id(gateway: Gateway, value: str) -> None:
    answer = await gateway.post(batch(userId=None), headers={"Cookie": f"convergio_uid={value}"})
    assert answer.status == 202
    assert uuid.UUID(cookie(answer)["convergio_uid"].value).version == 4


async def test_no_id_is_given_when_nothing_was_stored(gateway: Gateway) -> None:
    assert (await gateway.post(batch(event(category="gossip"), userId=None))).cookies == []


async def test_the_cookie_is_secure_where_a_trusted_proxy_says_tls(kafka_bootstrap: str, topic: str) -> None:
    tls = {"X-Forwarded-Proto": "https"}
    trusting = settings(kafka_bootstrap, topic, trusted_proxies="127.0.0.0/8, ::1/128")
    async with running_gateway(trusting) as gateway:
        secure = await gateway.post(batch(userId=None), headers=tls)
        assert cookie(secure)["convergio_uid"]["secure"] is True
        plain = await gateway.post(batch(userId=None), headers={"X-Forwarded-Proto": "http"})
        assert cookie(plain)["convergio_uid"]["secure"] == ""


async def test_nobody_else_is_believed_about_tls_unless_the_operator_says_always(
    gateway: Gateway, kafka_bootstrap: str, topic: str
) -> None:
    tls = {"X-Forwarded-Proto": "https"}
    assert cookie(await gateway.post(batch(userId=None), headers=tls))["convergio_uid"]["secure"] == ""
    async with running_gateway(settings(kafka_bootstrap, topic, cookie_secure="always")) as always:
        assert cookie(await always.post(batch(userId=None)))["convergio_uid"]["secure"] is True


async def test_first_contact_gives_a_stranger_an_id_and_sends_nothing_on(gateway: Gateway) -> None:
    before = len(await gateway.messages())
    answer = await gateway.request("POST", IDENTITY)
    assert (answer.status, answer.json) == (200, {"optedOut": False})
    assert answer.headers["Cache-Control"] == "no-store"
    given = cookie(answer)["convergio_uid"]
    assert uuid.UUID(given.value).version == 4
    assert (given["samesite"], given["path"], given["httponly"], given["secure"]) == ("Lax", "/", True, "")
    assert 0 < int(given["max-age"]) < THIRTEEN_MONTHS_SECONDS
    assert len(await gateway.messages()) == before


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff not JSON", b"0" * 100_000])
async def test_first_contact_ignores_its_body(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.request("POST", IDENTITY, body=body, headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json) == (200, {"optedOut": False})


async def test_the_body_of_first_contact_is_bounded(gateway: Gateway) -> None:
    answer = await gateway.request("POST", IDENTITY, body=b"0" * (gateway.settings.max_body_bytes + 1))
    assert (answer.status, answer.cookies) == (413, [])


async def test_a_known_browser_keeps_its_id_at_first_contact(gateway: Gateway) -> None:
    answer = await gateway.request("POST", IDENTITY, headers={"Cookie": f"convergio_uid={uuid.uuid4()}"})
    assert (answer.json, answer.cookies) == ({"optedOut": False}, [])


async def test_first_contact_replaces_an_invalid_cookie(gateway: Gateway) -> None:
    answer = await gateway.request("POST", IDENTITY, headers={"Cookie": "convergio_uid=me"})
    assert uuid.UUID(cookie(answer)["convergio_uid"].value).version == 4


@pytest.mark.parametrize("headers", [{"Cookie": "convergio_optout=1"}, {"Sec-GPC": "1"}, {"DNT": "1"}])
async def test_who_opted_out_is_told_so_and_given_no_id(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await gateway.request("POST", IDENTITY, headers=headers)
    assert (answer.status, answer.json, answer.cookies) == (200, {"optedOut": True}, [])
    assert answer.headers["Cache-Control"] == "no-store"


async def test_first_contact_heeds_a_browser_signal_only_where_the_operator_decided_so(
    kafka_bootstrap: str, topic: str
) -> None:
    async with running_gateway(settings(kafka_bootstrap, topic, respect_gpc=False)) as gateway:
        answer = await gateway.request("POST", IDENTITY, headers={"Sec-GPC": "1", "DNT": "1"})
        assert (answer.json, len(answer.cookies)) == ({"optedOut": False}, 1)


async def send_and_lose_the_answer(gateway: Gateway, path: str, body: bytes, *headers: str) -> None:
    """Sends a request and drops the connection as soon as an answer comes, without a look at it."""
    async with connection(gateway.port) as opened:
        await opened.send(post(path, body, *headers))
        await opened.read_some()
        opened.reset()


async def test_a_stranger_who_makes_contact_first_stays_one_user_whatever_answers_are_lost(
    kafka_bootstrap: str,
) -> None:
    """Contact lost and repeated, batch lost and repeated, each time at whichever gateway answers."""
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    events = [event(), event()]
    first_batch = batch(*events, userId=None)
    async with running_gateway(chosen) as one, running_gateway(chosen) as other:
        await send_and_lose_the_answer(one, IDENTITY, b"")
        contact = await other.request("POST", IDENTITY)
        mine = f"convergio_uid={cookie(contact)['convergio_uid'].value}"

        await send_and_lose_the_answer(one, EVENTS, json.dumps(first_batch).encode(), f"Cookie: {mine}")
        repeated = await other.post(first_batch, headers={"Cookie": mine})

        assert (repeated.status, repeated.cookies) == (202, [])

        async def arrived() -> bool:
            return len(await one.messages()) == 2

        await until(arrived)
        assert {message.key for message in await one.messages()} == {mine.partition("=")[2]}
        sent = {row["event_id"] for message in await one.messages() for row in message.rows}
        assert sent == {each["eventId"] for each in events}


async def test_opting_out_is_recorded_in_a_cookie_of_its_own(gateway: Gateway) -> None:
    out = await gateway.post({"optOut": True}, path=CONSENT)
    assert out.status == 204
    recorded = cookie(out)["convergio_optout"]
    assert (recorded.value, recorded["samesite"], recorded["path"]) == ("1", "Lax", "/")
    assert recorded["httponly"] == ""
    assert 0 < int(recorded["max-age"]) < THIRTEEN_MONTHS_SECONDS
    back = cookie(await gateway.post({"optOut": False}, path=CONSENT))["convergio_optout"]
    assert (back.value, back["max-age"]) == ("", "0")


@pytest.mark.parametrize("document", [b"no", {}, {"optOut": "yes"}, {"optOut": 1}, {"optOut": True, "why": "x"}])
async def test_a_consent_of_another_shape_is_a_400(gateway: Gateway, document: object) -> None:
    answer = await gateway.post(document, path=CONSENT)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("headers", [{"Cookie": "convergio_optout=1"}, {"Sec-GPC": "1"}, {"DNT": "1"}])
async def test_while_opted_out_everything_is_rejected_and_nothing_is_sent_on(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    user = str(uuid.uuid4())
    good, bad = event(), event(category="gossip")
    answer = await gateway.post(batch(bad, good, userId=user), headers=headers)
    assert answer.status == 202
    assert (answer.json["accepted"], answer.codes) == (0, ["opted_out", "opted_out"])
    assert [refused["eventId"] for refused in answer.json["rejected"]] == [bad["eventId"], good["eventId"]]
    assert await gateway.messages(user) == []


async def test_while_opted_out_no_id_is_given(gateway: Gateway) -> None:
    answer = await gateway.post(batch(userId=None), headers={"Sec-GPC": "1"})
    assert (answer.status, answer.cookies) == (202, [])


async def test_a_browser_signal_is_no_opt_out_where_the_operator_decided_so(kafka_bootstrap: str, topic: str) -> None:
    async with running_gateway(settings(kafka_bootstrap, topic, respect_gpc=False)) as gateway:
        answer = await gateway.post(batch(), headers={"Sec-GPC": "1", "DNT": "1"})
        assert answer.json["accepted"] == 1
        answer = await gateway.post(batch(), headers={"Cookie": "convergio_optout=1"})
        assert answer.json["accepted"] == 0


async def test_erasing_oneself_sends_an_erasure_behind_ones_events_and_clears_the_cookie(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    mine = {"Cookie": f"convergio_uid={user}"}
    await gateway.post(batch(userId=None), headers=mine)

    answer = await gateway.request("DELETE", ME, headers=mine)

    assert answer.status == 202
    cleared = cookie(answer)["convergio_uid"]
    assert (cleared.value, cleared["max-age"], cleared["path"]) == ("", "0", "/")
    stored, erasure = await gateway.messages(user)
    assert stored.headers["kind"] == b"events"
    assert erasure.headers == {"kind": b"erasure", "v": b"1"}
    assert erasure.partition == stored.partition == partition_for(user, 4)
    assert decode_erasure(erasure.value).user_id == user


async def test_the_operator_may_erase_a_user_by_id(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    answer = await gateway.request(
        "DELETE", f"{ME}?userId={user.upper()}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert (answer.status, answer.cookies) == (202, [])
    (erasure,) = await gateway.messages(user)
    assert decode_erasure(erasure.value).user_id == user


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("", {"Cookie": "convergio_uid=nobody"}, 401),
        (f"?userId={uuid.uuid4()}", {}, 401),
        (f"?userId={uuid.uuid4()}", {"Cookie": f"convergio_uid={uuid.uuid4()}"}, 401),
        (f"?userId={uuid.uuid4()}", {"Authorization": "Bearer wrong"}, 403),
        ("?userId=all", {"Authorization": f"Bearer {TOKEN}"}, 400),
    ],
)
async def test_nobody_else_may_erase_anyone(gateway: Gateway, query: str, headers: dict[str, str], status: int) -> None:
    answer = await gateway.request("DELETE", ME + query, headers=headers)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401 and bool(query))
