"""Which TLS mode is used for a database, and with which certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from worker.store.tls import arguments_of, tls_of, with_tls
from worker.store.url import DatabaseUrl

if TYPE_CHECKING:
    from pathlib import Path

FAR = "postgresql://me:secret@db.example/x"


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGHOST", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def mode_of(url: str) -> str | None:
    return tls_of(DatabaseUrl.of(url)).mode


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@localhost/x",
        "postgresql://me@127.0.0.1:5432/x",
        "postgresql://me@127.9.9.9/x",
        "postgresql://me@[::1]:5432/x",
        "postgresql://me@/x?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/x",
        "postgresql:///x",
    ],
)
def test_a_server_on_this_machine_needs_no_tls(url: str) -> None:
    assert mode_of(url) is None
    assert "ssl" not in arguments_of(DatabaseUrl.of(url))
    assert with_tls(url, "verify-full") == url


@pytest.mark.parametrize(
    "url",
    [
        FAR,
        "postgresql://me@10.0.0.5/x",
        "postgresql://me@[fd00::1]:5432/x",
        "postgresql://me@localhost,db.example/x",
        "postgresql://me@/x?host=db.example",
    ],
)
def test_any_other_server_must_prove_its_name(url: str) -> None:
    assert mode_of(url) == "verify-full"
    context = arguments_of(DatabaseUrl.of(url))["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() or not ssl.create_default_context().get_ca_certs()


def test_the_host_may_come_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert mode_of("postgresql:///x") == "verify-full"


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
def test_an_sslmode_in_the_url_is_obeyed(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    tls = tls_of(DatabaseUrl.of(f"{FAR}?sslmode={mode}"))
    assert (tls.mode, tls.chosen_by) == (mode, "the URL")
    assert with_tls(f"{FAR}?sslmode={mode}", "verify-full") == f"{FAR}?sslmode={mode}"


def test_a_variable_chooses_where_the_url_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    assert tls_of(DatabaseUrl.of(FAR)).chosen_by == "PGSSLMODE"
    assert arguments_of(DatabaseUrl.of(FAR)) == {"dsn": f"{FAR}?sslmode=require"}


def test_the_setting_loosens_the_default() -> None:
    assert with_tls(FAR, "require") == f"{FAR}?sslmode=require"
    tls = tls_of(DatabaseUrl.of(FAR), default="require")
    assert (tls.mode, tls.chosen_by) == ("require", "INTERVIEW_DATABASE_TLS")


@pytest.mark.parametrize("host", ["localhost", "db.example"])
def test_ssl_in_the_url_asks_for_tls_whatever_else_would_allow_none(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://me:secret@{host}/x?ssl=true"
    assert "sslmode=require" in with_tls(url, "disable")
    monkeypatch.setenv("PGSSLMODE", "prefer")
    assert mode_of(url) == "require"
    assert "sslmode=require" in arguments_of(DatabaseUrl.of(with_tls(url, "prefer")))["dsn"]
    assert mode_of(url + "&sslmode=prefer") == "prefer"
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert mode_of(url) == "verify-full"


def test_the_certificates_of_the_system_mean_that_the_name_is_checked() -> None:
    url = DatabaseUrl.of(f"{FAR}?sslmode=require&sslrootcert=system")
    arguments = arguments_of(url)
    assert arguments["ssl"].check_hostname
    assert "sslrootcert" not in arguments["dsn"]


def test_verify_ca_does_not_check_the_name() -> None:
    context = arguments_of(DatabaseUrl.of(f"{FAR}?sslmode=verify-ca"))["ssl"]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_file_of_authorities_is_left_to_asyncpg(tmp_path: Path) -> None:
    file = tmp_path / "root.crt"
    file.touch()
    arguments = arguments_of(DatabaseUrl.of(f"{FAR}?sslrootcert={file}"))
    assert "ssl" not in arguments
    assert "sslmode=verify-full" in arguments["dsn"]


def test_a_service_file_may_choose_host_and_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    services = "[far]\nhost=db.example\n[near]\nhost=/run\n[safe]\nhost=h\nsslmode=require\n"
    (tmp_path / "services").write_text(services)
    modes = [mode_of(f"postgresql:///x?service={name}") for name in ("far", "near", "safe")]
    assert modes == ["verify-full", None, "require"]
