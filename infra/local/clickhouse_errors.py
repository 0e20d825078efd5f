"""ClickHouse's errors as its HTTP interface reports them: a code, a text, an HTTP status."""

from __future__ import annotations

import re
from typing import Self

_CODE = re.compile(r"Code: (\d+)\. DB::Exception")

# After exceptionCodeToHTTPStatus in ClickHouse's HTTPHandler; what is not named here is 500.
_STATUS_BY_CODE = {
    **dict.fromkeys((194, 516), 401),  # REQUIRED_PASSWORD, AUTHENTICATION_FAILED
    **dict.fromkeys((192, 195, 497), 403),  # UNKNOWN_USER, IP_ADDRESS_NOT_ALLOWED, ACCESS_DENIED
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 53, 62, 70, 72, 130, 280, 349, 456, 457), 400),
    **dict.fromkeys((16, 46, 47, 50, 60, 63, 69, 73, 81, 115, 172), 404),  # UNKNOWN_*, NO_SUCH_*
    164: 403,  # READONLY
    223: 413,  # QUERY_IS_TOO_LARGE
    48: 501,  # NOT_IMPLEMENTED
}


class ClickHouseError(Exception):
    """A statement failed. `str()` is the text ClickHouse sends as the response body."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, code: int, name: str, message: str) -> Self:
        return cls(code, f"Code: {code}. DB::Exception: {message}. ({name})")

    @classmethod
    def from_engine(cls, text: str) -> Self:
        """From an exception's text as chDB gives it; code 1002 (UNKNOWN_EXCEPTION) if it names none."""
        found = _CODE.search(text)
        if found is None:
            return cls(1002, f"Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)")
        return cls(int(found[1]), text[found.start() :].strip())

    @property
    def status(self) -> int:
        return _STATUS_BY_CODE.get(self.code, 500)
