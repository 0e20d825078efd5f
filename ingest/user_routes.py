"""A person's own routes: first contact (identity), opting out (consent), being forgotten (`DELETE …/me`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from ingest import identity
from ingest.access import OperatorToken
from ingest.problems import Problem
from ingest.producer import Producer
from schemas.cookies import cookie_user
from schemas.envelope import Erasure, encode_erasure
from schemas.ids import canonical_uuid
from schemas.requests import request_headers

ME_PATH: Final = "/api/telemetry/me"
CONSENT_PATH: Final = "/api/telemetry/consent"
IDENTITY_PATH: Final = "/api/telemetry/identity"


class Consent(BaseModel):
    """What the person decided."""

    model_config = ConfigDict(extra="forbid")

    optOut: StrictBool = Field(description="true: nothing of mine is to be counted from now on.")  # noqa: N815


class Contact(BaseModel):
    """How the gateway sees the person who asks."""

    optedOut: bool = Field(  # noqa: N815
        description="true: by cookie or browser signal this person is not counted, and has been given no id."
    )


class ErasureAccepted(BaseModel):
    """The wish is stored; the processors carry it out within seconds."""

    erasure: str = "accepted"


def user_routes(
    *,
    operator: OperatorToken,
    cookies: identity.Cookies,
    respect_gpc: bool,
    producer: Producer,
    now: Callable[[], datetime],
) -> APIRouter:
    """The routes a person's choices go through. `now` is the wall clock, UTC."""
    routes = APIRouter(tags=["telemetry"], dependencies=[Depends(_never_stored)])

    @routes.post(
        IDENTITY_PATH,
        summary="First contact",
        response_description="A browser without a valid id cookie is given one, unless the person has opted out.",
    )
    async def identify(request: Request, response: Response) -> Contact:
        """To be repeated until it is answered, and only then to be followed by the first batch.

        A batch whose answer is lost would be sent again without the cookie, and counted under a second id. Nothing is
        counted here, so a lost answer costs an id that nobody ever uses. Needs no body, and ignores one.
        """
        headers = request_headers(request.scope["headers"])
        if identity.opted_out(headers, respect_gpc):
            return Contact(optedOut=True)
        if cookie_user(headers) is None:
            fresh = cookies.identify(identity.mint(), request.scope, headers)
            response.raw_headers.append((b"set-cookie", fresh))
        return Contact(optedOut=False)

    @routes.delete(
        ME_PATH,
        status_code=202,
        summary="Erase a user",
        response_description="Kafka has acknowledged the erasure; the id cookie is removed.",
    )
    async def erase(
        request: Request,
        response: Response,
        user_id: Annotated[
            str | None,
            Query(alias="userId", description="A user by id; takes the operator's token as bearer token."),
        ] = None,
    ) -> ErasureAccepted:
        """Erases the user of the cookie, or with the operator's token any user.

        Everything of theirs that was accepted before this is removed; what they send later is a new beginning.
        """
        headers = request_headers(request.scope["headers"])
        if user_id is not None:
            operator.check(headers)
            user = canonical_uuid(user_id)
            if user is None:
                raise Problem("wrong-shape", "`userId` is no UUID.")
        else:
            user = cookie_user(headers)
            if user is None:
                raise Problem("identity-missing", "There is no id cookie, so there is no one to erase.")
        erasure = Erasure(user_id=user, requested_at=now())
        await producer.publish(user, [encode_erasure(erasure)], "erasure")
        if user_id is None:
            response.raw_headers.append((b"set-cookie", cookies.forget(request.scope, headers)))
        return ErasureAccepted()

    @routes.post(
        CONSENT_PATH,
        status_code=204,
        summary="Opt out, or in again",
        response_description="The choice is recorded in a cookie of its own; the gateway keeps no state.",
    )
    async def consent(request: Request, response: Response, choice: Consent) -> None:
        """While opted out, batches are answered 202 with every event `opted_out`, and nothing is stored."""
        headers = request_headers(request.scope["headers"])
        response.raw_headers.append((b"set-cookie", cookies.consent(choice.optOut, request.scope, headers)))

    return routes


async def _never_stored(response: Response) -> None:
    """What these routes answer is one person's."""
    response.headers["cache-control"] = "no-store"
