"""The address of the HTTP server, read with and without pydantic."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from worker.config.http import HttpSettings, address_of, probe_address_of
from worker.config.http_address import HttpAddress, plain_address
from worker.env.group import SettingsInvalid

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = (None, "", "127.0.0.1", "localhost", "10.0.0.1", "worker-1.example", "::1", "a..b", "a b")
PORTS = (None, "", "0", "1", "8081", "65535", "65536", "-1", "08081", "1e3", "many", " 80")
TOKENS = (
    *(None, "", "short", "of-sixteen-chars", "with spaces in it", "é" * 16),
    *("a\udcff", " of-sixteen-chars\n", "of-sixteen\nchars"),
)


def read() -> HttpAddress | None:
    try:
        return address_of(HttpSettings.load())
    except SettingsInvalid:
        return None


def test_both_ways_read_the_same_address_and_only_one_of_them_judges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = 0
    for values in product(HOSTS, PORTS, TOKENS):
        for name, value in zip(("HOST", "PORT", "TOKEN"), values, strict=True):
            if value is None:
                monkeypatch.delenv(f"INTERVIEW_HTTP_{name}", raising=False)
            else:
                monkeypatch.setenv(f"INTERVIEW_HTTP_{name}", value)
        if (plain := plain_address()) is not None:
            assert plain == read(), values
            found += 1
    assert found > 20


def test_without_a_variable_the_defaults_are_read() -> None:
    assert plain_address() == HttpAddress(host="127.0.0.1", port=8081) == read()


def test_a_name_in_lower_case_is_left_to_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("interview_http_port", "9000")
    assert plain_address() is None


def test_a_file_of_settings_is_left_to_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    (tmp_path / ".env").write_text("INTERVIEW_HTTP_PORT=9000\n")
    assert plain_address() is None
    assert read() == HttpAddress(host="127.0.0.1", port=9000)


def test_an_unnamed_file_of_settings_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INTERVIEW_HTTP_PORT=9000\n")
    assert plain_address() == HttpAddress(host="127.0.0.1", port=8081) == read()


def test_a_token_in_a_file_is_left_to_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of-sixteen-chars\n")
    monkeypatch.setenv("INTERVIEW_HTTP_TOKEN_FILE", str(tmp_path / "token"))
    assert plain_address() is None
    assert read() == HttpAddress(host="127.0.0.1", port=8081, token="of-sixteen-chars")


def test_probes_with_a_port_of_their_own_are_left_to_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_HTTP_PROBE_PORT", "8082")
    monkeypatch.setenv("INTERVIEW_HTTP_TOKEN", "of-sixteen-chars")
    assert plain_address() is None
    assert probe_address_of(HttpSettings.load()) == HttpAddress(host="127.0.0.1", port=8082)


@pytest.mark.parametrize("port", ["", "0"])
def test_without_a_known_port_of_the_probes_the_http_server_is_asked(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_HTTP_PROBE_PORT", port)
    assert probe_address_of(HttpSettings.load()) == HttpAddress(host="127.0.0.1", port=8081)


def test_an_address_does_not_show_its_token() -> None:
    assert "secret" not in repr(HttpAddress(host="127.0.0.1", port=8081, token="secret"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8081"),  # noqa: S104  # compared, not bound
        ("::", "http://[::1]:8081"),
        ("", "http://127.0.0.1:8081"),
        ("::1", "http://[::1]:8081"),
        ("10.0.0.1", "http://10.0.0.1:8081"),
    ],
)
def test_the_url_is_that_from_the_workers_machine(host: str, url: str) -> None:
    assert HttpAddress(host=host, port=8081).url == url
