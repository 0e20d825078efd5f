"""What an HTTP request asks of ClickHouse: pure parsing, no engine and no network.

Follows ClickHouse's HTTP interface: the statement is the `query` parameter followed by the body; an
`INSERT ... FORMAT x` is followed by its data; parameters that are none of HTTP's own are settings.
"""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from infra.local.clickhouse_errors import ClickHouseError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DEFAULT_FORMAT = "TabSeparated"

# Parameters of the HTTP interface itself; every other one is a setting.
_NOT_SETTINGS = frozenset(
    [
        "query",
        "query_id",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "stacktrace",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "compress",
        "decompress",
    ]
)
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": zstd.decompress,
}
with suppress(ImportError):  # where clickhouse-connect brings it along, it also uses it
    import lz4.frame  # type: ignore[import-untyped]

    _DECODERS["lz4"] = lz4.frame.decompress
_TOKEN = re.compile(
    rb"(?P<gap>\s+|--[^\n]*|/\*.*?\*/)"
    rb"|(?P<quoted>'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")"
    rb"|(?P<word>[A-Za-z_]\w*)"
    rb"|(?P<sign>.)",
    re.DOTALL,
)
# Behind these a word is a table's name, whatever it looks like.
_NAME_FOLLOWS = (b"INTO", b"TABLE", b"FUNCTION", b".")
_FORMAT_NAME = re.compile(rb"\s+(\w+)[ \t\f]*;?\r?\n?")
_TRAILING_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)(?:\s+SETTINGS\b[^;]*)?\s*;?\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A table that came with the query and lives as long as it: a file part of a form."""

    name: str
    structure: str
    """Columns as CREATE TABLE takes them."""
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and all that applies to it alone."""

    sql: bytes
    data_format: str | None = None
    """Set for an INSERT whose rows are in `data`; `sql` then ends before FORMAT."""
    data: bytes = b""
    output_format: str = DEFAULT_FORMAT
    """The format of the answer: the FORMAT clause's, else default_format."""
    database: str | None = None
    user: str = "default"
    password: str = field(default="", repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    external_tables: tuple[ExternalTable, ...] = ()
    read_only: bool = False
    """As GET implies; settings may still be changed."""

    @property
    def writes(self) -> bool:
        """Whether it is an INSERT; those never wait behind slow queries."""
        return _first_word(self.sql) == b"INSERT"


def read_statement(method: str, query_string: bytes, headers: Mapping[str, str], body: bytes) -> Statement:
    """The statement in a request; header names are lower case. Raises ClickHouseError if there is none."""
    fields = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="utf-8"))
    body = _decompressed(body, headers.get("content-encoding", ""))
    files: dict[str, bytes] = {}
    kind = headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        form, files = _read_form(kind, body)
        fields |= form
        body = b""
    if fields.get("compress", "0") != "0" or fields.get("decompress", "0") != "0":
        raise ClickHouseError.of(48, "NOT_IMPLEMENTED", "The native compression of compress/decompress")
    text = b"\n".join(part for part in (fields.get("query", "").rstrip().encode(), body) if part)
    if not text.strip():
        raise ClickHouseError.of(62, "SYNTAX_ERROR", "Syntax error: empty query")
    tables = tuple(_external_table(name, data, fields) for name, data in files.items())
    user, password = _credentials(headers, fields)
    described = {f"{table.name}_{what}" for table in tables for what in ("format", "structure", "types")}
    sql, data_format, data = split_insert(text)
    trailing_format = _TRAILING_FORMAT.search(sql[-512:])
    return Statement(
        sql=sql,
        data_format=data_format,
        data=data,
        output_format=(
            trailing_format[1].decode()
            if trailing_format
            else fields.get("default_format") or headers.get("x-clickhouse-format", DEFAULT_FORMAT)
        ),
        database=fields.get("database") or headers.get("x-clickhouse-database"),
        user=user,
        password=password,
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        settings={
            name: value
            for name, value in fields.items()
            if name not in _NOT_SETTINGS and name not in described and not name.startswith("param_")
        },
        external_tables=tables,
        read_only=method == "GET",
    )


def split_insert(text: bytes) -> tuple[bytes, str | None, bytes]:
    """Splits `INSERT ... FORMAT x <data>` into (statement, format, data); others are (text, None, b"").

    Only the head is read, so the data may be large and binary. Raises ClickHouseError for a second statement
    behind a semicolon, which a server refuses too.
    """
    if _first_word(text) != b"INSERT":
        _refuse_second_statement(text)
        return text, None, b""
    depth = 0
    previous = b""
    for token in _tokens(text):
        word = token[0].upper()
        if depth == 0 and token.lastgroup == "word" and previous not in _NAME_FOLLOWS:
            if word in (b"SELECT", b"WITH", b"VALUES"):
                break
            name = _FORMAT_NAME.match(text, token.end()) if word == b"FORMAT" else None
            if name is not None:
                return text[: token.start()], name[1].decode(), text[name.end() :]
        depth += (word == b"(") - (word == b")")
        previous = word
    return text, None, b""


def _credentials(headers: Mapping[str, str], fields: Mapping[str, str]) -> tuple[str, str]:
    """User and password, wherever ClickHouse lets them be given."""
    authorization = headers.get("authorization", "")
    if authorization.startswith("Basic "):
        user, _, password = b64decode(authorization[6:]).decode(errors="replace").partition(":")
        return user, password
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    return fields.get("user", "default"), fields.get("password", "")


def _tokens(text: bytes) -> Iterator[re.Match[bytes]]:
    return (token for token in _TOKEN.finditer(text) if token.lastgroup != "gap")


def _first_word(text: bytes) -> bytes:
    first = next(_tokens(text), None)
    return first[0].upper() if first else b""


def _refuse_second_statement(text: bytes) -> None:
    ended = False
    for token in _tokens(text) if b";" in text else ():
        if ended:
            raise ClickHouseError.of(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        ended = token[0] == b";"


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    decode = _DECODERS.get(encoding)
    if decode is None:
        raise ClickHouseError.of(48, "NOT_IMPLEMENTED", f"Unknown Content-Encoding: {encoding}")
    try:
        return decode(body)
    except (OSError, EOFError, RuntimeError, zlib.error, zstd.ZstdError) as problem:
        raise ClickHouseError.of(354, "INFLATE_FAILED", f"Cannot inflate the body: {problem}") from problem


def _read_form(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The plain fields and the files of a multipart/form-data body. Clients send long parameters this way."""
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'\bname="([^"]*)"', head)
        if name is None:
            raise ClickHouseError.of(36, "BAD_ARGUMENTS", "A form part has no name")
        if b"filename=" in head:
            files[name[1].decode()] = content
        else:
            fields[name[1].decode()] = content.decode()
    return fields, files


def _external_table(name: str, data: bytes, fields: Mapping[str, str]) -> ExternalTable:
    structure = fields.get(f"{name}_structure")
    if structure is None:
        types = _split_outside_parentheses(fields.get(f"{name}_types", "String"))
        structure = ", ".join(f"_{number} {kind}" for number, kind in enumerate(types, start=1))
    return ExternalTable(name, structure, fields.get(f"{name}_format", DEFAULT_FORMAT), data)


def _split_outside_parentheses(types: str) -> list[str]:
    parts, depth = [""], 0
    for character in types:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
