"""Which requests for statistics are let through: slots, rates, and operators apart from everybody else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from exporter.admission import Admission, Refused
from exporter.auth import Denied
from exporter.settings import ExporterSettings

TOKEN = "the token of the operators"
ANNA, BRUNO = uuid.uuid4(), uuid.uuid4()


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Requests that are still being answered."""
    with ExitStack() as held:
        yield held


def admission(clock: Clock | None = None, **changes: object) -> Admission:
    settings = ExporterSettings.model_validate({"operator_token": SecretStr(TOKEN), **changes})
    return Admission(settings, clock or Clock())


def request(user: uuid.UUID | None = None, token: str | None = None, address: str = "192.0.2.1") -> dict[str, Any]:
    """A request with a cookie, a token, both or neither."""
    headers = [] if user is None else [(b"cookie", f"convergio_uid={user}".encode())]
    headers += [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "headers": headers, "client": (address, 5000)}


def reason(admission: Admission, asked: dict[str, Any]) -> str | None:
    """Why a request is refused; None if it is answered, at once."""
    try:
        with admission.admit(asked):
            return None
    except Refused as refused:
        return refused.reason


def test_users_have_so_many_slots_together_and_a_freed_one_is_free() -> None:
    limits = admission(stats_slots=3)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(limits.admit(request(uuid.uuid4())))
        assert reason(limits, request(ANNA)) == "busy"
    assert reason(limits, request(ANNA)) is None
    assert limits.refusals["busy"] == 1


def test_a_request_that_failed_frees_its_slot() -> None:
    limits = admission(stats_slots=1)
    with pytest.raises(ZeroDivisionError), limits.admit(request(ANNA)):
        raise ZeroDivisionError
    assert reason(limits, request(ANNA)) is None


def test_one_user_has_at_most_half_of_the_slots(held: ExitStack) -> None:
    limits = admission(stats_slots=4)
    for _ in range(2):
        held.enter_context(limits.admit(request(ANNA)))
    assert reason(limits, request(ANNA)) == "user-busy"
    assert reason(limits, request(BRUNO)) is None


def test_strangers_cannot_lock_operators_out_nor_operators_users(held: ExitStack) -> None:
    limits = admission(stats_slots=1, stats_operator_slots=1, stats_address_requests_burst=1)
    held.enter_context(limits.admit(request(ANNA)))
    assert reason(limits, request(BRUNO)) == "address"
    assert reason(limits, request(BRUNO, address="192.0.2.2")) == "busy"
    for _ in range(3):
        assert reason(limits, request(token=TOKEN)) is None
    with limits.admit(request(ANNA, token=TOKEN)) as operator:
        assert operator.user is None
        assert reason(limits, request(token=TOKEN)) == "operators-busy"
        assert reason(limits, request(BRUNO, address="192.0.2.3")) == "busy"


def test_users_are_not_held_up_by_operators(held: ExitStack) -> None:
    limits = admission(stats_slots=1, stats_operator_slots=1)
    held.enter_context(limits.admit(request(token=TOKEN)))
    assert reason(limits, request(ANNA)) is None


def test_a_user_gets_burst_and_rate_wherever_they_ask_from() -> None:
    clock = Clock()
    limits = admission(clock, stats_user_requests_per_second=0.5, stats_user_requests_burst=2)
    asked = [request(ANNA, address=f"192.0.2.{number}") for number in range(4)]
    assert [reason(limits, one) for one in asked] == [None, None, "user", "user"]
    with pytest.raises(Refused) as refused, limits.admit(asked[0]):
        pass
    assert refused.value.retry_after == 2
    clock.seconds = 2
    assert [reason(limits, one) for one in asked[:2]] == [None, "user"]


def test_an_address_gets_burst_and_rate_whoever_asks_from_there() -> None:
    limits = admission(stats_address_requests_burst=2)
    near = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert [reason(limits, request(uuid.uuid4(), address=address)) for address in near] == [None, None, "address"]
    assert reason(limits, request(uuid.uuid4(), address="2001:db8:0:1::1")) is None


@pytest.mark.parametrize("asked", [request(), request(token="guessed")])
def test_who_may_read_nothing_costs_their_address_all_the_same(asked: dict[str, Any]) -> None:
    limits = admission(stats_address_requests_burst=1)
    with pytest.raises(Denied), limits.admit(asked):
        pass
    with pytest.raises(Refused), limits.admit(asked):
        pass


def test_without_rate_limits_the_slots_remain(held: ExitStack) -> None:
    limits = admission(rate_limit_enabled=False, stats_slots=1, stats_user_requests_burst=1)
    for _ in range(3):
        assert reason(limits, request(ANNA)) is None
    held.enter_context(limits.admit(request(ANNA)))
    assert reason(limits, request(BRUNO)) == "busy"
