"""Which errors of PostgreSQL and asyncpg are transient, and which end the connection."""

from __future__ import annotations

import asyncpg
import pytest

from worker.store.errors import ConnectionLost, ends_connection, is_transient, kind_of


def error_with(sqlstate: str) -> Exception:
    error: Exception = asyncpg.PostgresError.new({"C": sqlstate, "M": "what she said"})
    return error


@pytest.mark.parametrize(
    "sqlstate",
    [
        *("08006", "08P01", "25006", "25P03", "25P04", "40001", "40P01"),
        *("53100", "53200", "53300", "55P03"),
        *("57014", "57P01", "57P02", "57P03", "57P05", "58000", "58030"),
    ],
)
def test_a_passing_condition_of_the_server_is_transient(sqlstate: str) -> None:
    assert is_transient(error_with(sqlstate))


@pytest.mark.parametrize(
    "sqlstate", ["22P02", "23505", "25P02", "42501", "42P01", "55000", "XX000"]
)
def test_an_error_of_the_statement_or_its_data_is_not_transient(sqlstate: str) -> None:
    assert not is_transient(error_with(sqlstate))


@pytest.mark.parametrize(
    "error",
    [
        *map(error_with, ("08003", "08P01", "25006", "57P01", "57P02", "57P03", "57P05")),
        ConnectionResetError(),
        ConnectionLost(),
        asyncpg.InternalClientError("not connected"),
    ],
    ids=repr,
)
def test_a_connection_to_a_server_that_goes_away_or_is_read_only_is_not_used_again(
    error: Exception,
) -> None:
    assert ends_connection(error)


@pytest.mark.parametrize(
    "error",
    [*map(error_with, ("40001", "53100", "55P03", "57014", "58030")), TimeoutError(), KeyError()],
    ids=repr,
)
def test_a_connection_survives_an_error_that_is_not_its_own(error: Exception) -> None:
    assert not ends_connection(error)


def test_hosts_that_all_refuse_writes_are_named_so() -> None:
    error = asyncpg.TargetServerAttributeNotMatched("none of the hosts")
    assert kind_of(error) == "no host of DATABASE_URL accepts writes"
