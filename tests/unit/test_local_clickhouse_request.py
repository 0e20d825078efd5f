"""What the embedded ClickHouse reads out of an HTTP request."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from urllib.parse import urlencode

import lz4.frame  # type: ignore[import-untyped]
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from infra.local.clickhouse_errors import ClickHouseError
from infra.local.clickhouse_request import ExternalTable, Statement, read_statement, split_insert


def post(body: bytes = b"", headers: dict[str, str] | None = None, **fields: str) -> Statement:
    return read_statement("POST", urlencode(fields).encode(), headers or {}, body)


@given(st.binary())
def test_the_data_of_an_insert_is_every_byte_after_the_line_of_its_format(data: bytes) -> None:
    statement = b"INSERT INTO convergio.events (a, `b c`) FORMAT Native\n"
    assert split_insert(statement + data) == (b"INSERT INTO convergio.events (a, `b c`) ", "Native", data)


@pytest.mark.parametrize(
    ("statement", "head", "data_format"),
    [
        (b"insert into t format JSONEachRow\n", b"insert into t ", "JSONEachRow"),
        (b"INSERT INTO t (format, x) FORMAT CSV\r\n", b"INSERT INTO t (format, x) ", "CSV"),
        (b"INSERT INTO format FORMAT CSV\n", b"INSERT INTO format ", "CSV"),
        (b"INSERT INTO db.format FORMAT CSV ", b"INSERT INTO db.format ", "CSV"),
        (b"INSERT INTO `a FORMAT b` FORMAT TSV\n", b"INSERT INTO `a FORMAT b` ", "TSV"),
        (
            b"/* FORMAT x */ INSERT INTO t -- FORMAT y\nFORMAT CSV\n",
            b"/* FORMAT x */ INSERT INTO t -- FORMAT y\n",
            "CSV",
        ),
        (b"INSERT INTO t SETTINGS async_insert = 0 FORMAT CSV\n", b"INSERT INTO t SETTINGS async_insert = 0 ", "CSV"),
    ],
)
def test_a_format_is_found_wherever_an_insert_may_have_it(statement: bytes, head: bytes, data_format: str) -> None:
    assert split_insert(statement + b"1,2") == (head, data_format, b"1,2")


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT 1 FORMAT JSON",
        b"INSERT INTO t VALUES (1, 'FORMAT CSV\n')",
        b"INSERT INTO t SELECT 1 FORMAT Null",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"EXPLAIN SYNTAX SELECT 'INSERT INTO t FORMAT CSV'",
    ],
)
def test_a_statement_without_data_stays_whole(statement: bytes) -> None:
    assert split_insert(statement) == (statement, None, b"")


def test_two_statements_in_a_request_are_refused_as_by_a_server() -> None:
    with pytest.raises(ClickHouseError, match="Multi-statements are not allowed") as raised:
        post(b"DROP TABLE a; DROP TABLE b")
    assert raised.value.code == 62


@pytest.mark.parametrize("body", [b"SELECT 1;", b"SELECT ';', 1 ; -- the end\n", b"SELECT 1 /* ; */"])
def test_a_semicolon_may_end_a_statement(body: bytes) -> None:
    assert post(body).sql == body


def test_the_query_parameter_comes_before_the_body() -> None:
    assert post(b"1,2", query="INSERT INTO t FORMAT CSV ").data == b"1,2"
    assert post(b"FROM t", query="SELECT 1").sql == b"SELECT 1\nFROM t"


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstd.compress),
        ("lz4", lz4.frame.compress),
    ],
)
def test_bodies_may_be_compressed(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    rows = b"\x00\xff" * 5000
    assert post(encode(rows), {"content-encoding": encoding}, query="INSERT INTO t FORMAT Native").data == rows


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_a_body_that_cannot_be_inflated_is_an_error_not_a_crash(encoding: str) -> None:
    with pytest.raises(ClickHouseError, match="Cannot inflate"):
        post(b"this is not compressed", {"content-encoding": encoding})


def test_what_is_not_a_parameter_of_http_is_a_setting() -> None:
    statement = post(
        b"SELECT {x:UUID}",
        {"x-clickhouse-database": "ignored"},
        database="d",
        param_x="1",
        max_threads="2",
        session_id="s",
        wait_end_of_query="1",
        default_format="Native",
        query_id="q",
    )
    assert statement == Statement(
        b"SELECT {x:UUID}",
        output_format="Native",
        database="d",
        parameters={"x": "1"},
        settings={"max_threads": "2"},
    )


def test_the_format_clause_names_the_format_of_the_answer() -> None:
    assert post(b"SELECT 1 FORMAT JSON", default_format="CSV").output_format == "JSON"
    assert post(b"SELECT 1\n format RowBinary SETTINGS a = 1;").output_format == "RowBinary"
    assert post(b"SELECT 1").output_format == "TabSeparated"


def test_get_only_reads() -> None:
    assert read_statement("GET", b"query=SELECT+1", {}, b"").read_only
    assert not post(b"SELECT 1").read_only


@given(st.binary())
def test_a_form_carries_long_parameters_and_tables(content: bytes) -> None:
    boundary = b"--a-boundary-that-is-not-in-the-content--"
    body = b"\r\n".join(
        [
            b"--" + boundary,
            b'Content-Disposition: form-data; name="query"\r\n\r\nSELECT {ids:Array(UInt8)} FROM k',
            b"--" + boundary,
            b'Content-Disposition: form-data; name="param_ids"\r\n\r\n[1,2]',
            b"--" + boundary,
            b'Content-Disposition: form-data; name="k"; filename="k.bin"\r\nContent-Type: x\r\n\r\n' + content,
            b"--" + boundary + b"--\r\n",
        ]
    )
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    statement = post(
        body, {"content-type": kind}, k_types="UInt8,Array(Tuple(Decimal(9, 2), String))", k_format="RowBinary"
    )
    assert statement.sql == b"SELECT {ids:Array(UInt8)} FROM k"
    assert statement.parameters == {"ids": "[1,2]"}
    assert statement.settings == {}
    assert statement.external_tables == (
        ExternalTable("k", "_1 UInt8, _2 Array(Tuple(Decimal(9, 2), String))", "RowBinary", content),
    )


def test_what_is_not_supported_says_so() -> None:
    with pytest.raises(ClickHouseError) as raised:
        post(b"SELECT 1", decompress="1")
    assert (raised.value.code, raised.value.status) == (48, 501)


def test_an_error_keeps_its_code_and_loses_what_chdb_put_before_it() -> None:
    error = ClickHouseError.from_engine("Streaming insert failed: Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)")
    assert (error.code, error.status, str(error)) == (60, 404, "Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)")
    assert ClickHouseError.from_engine("something else").code == 1002
