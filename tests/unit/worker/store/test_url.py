from __future__ import annotations

import pytest

from worker.store.url import DatabaseUrl, DatabaseUrlInvalid, check_url, mask_url, wanted_server


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:p@ss/word@host/db", "postgresql://me:***@host/db"),
        (
            "postgresql://host/db?user=me&password=secret",
            "postgresql://host/db?user=me&password=***",
        ),
        ("postgresql://host/db?sslpassword=a&jit=1", "postgresql://host/db?sslpassword=***&jit=1"),
        ("postgresql://host/db?password=se&c=r&et", "postgresql://host/db?password=***"),
        (
            "postgresql://host/db?password=se&cret&sslmode=no&sslpassword=a&b",
            "postgresql://host/db?password=***&sslmode=no&sslpassword=***",
        ),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://postgres@/db?host=/run/x", "postgresql://postgres@/db?host=/run/x"),
        ("mysql://me:secret@host/db", "mysql://me:***@host/db"),
        ("me:secret@host", "(no ://)"),
        ("host=db user=me password=secret", "(no ://)"),
        ("postgresql:me:secret@host", "(no ://)"),
        ("postgresql://me@firm:secret@host/db", "postgresql://me@firm:***@host/db"),
        ("postgresql://firm/me:secret@host/db", "postgresql://firm/me:***@host/db"),
    ],
)
def test_no_password_is_shown(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host:5432/db?sslmode=require",
        "postgres://host/db",
        "postgresql://me@h1:5432,h2:5433/db",
        "postgresql://me@[::1]:5432/db",
        "postgresql://me@[::1]/db?sslmode=verify-full",
        "postgresql://postgres@/postgres?host=/run/x&port=5432",
    ],
)
def test_a_postgresql_url_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "does not begin with postgresql://"),
        ("localhost:5432/db", "does not begin with postgresql://"),
        ("mysql://me:secret@host/db", "does not begin with postgresql://"),
        ("postgresql+asyncpg://me:secret@host/db", "names a driver"),
        ("postgresql+\0asyncpg://me:secret@host/db", "does not begin with postgresql://"),
        ("postgresql://me:secret@host:port/db", "has a port"),
        ("postgresql://host:70000/db", "has a port"),
        ("postgresql://ho st/db", "contains a space"),
        ("postgresql://[::1/db", "cannot be read"),
        ("postgresql://me@/db?host=/run/x&port=five", "has a port"),
        pytest.param(f"postgresql://host:{'5' * 5000}/db", "has a port", id="5000 digits"),
        ("postgresql://me:secret@some..host/db", "has an invalid host name"),
        (f"postgresql://me:secret@{'x' * 64}.example/db", "has an invalid host name"),
        ("postgresql://me:secret@host/db?sslmode=yes", "has an unknown sslmode 'yes'"),
        ("postgresql://me:secret@h1,,h2/db", "has an empty host"),
        ("postgresql://me:secret@host/db?sslmode", "has a query with a part"),
        ("postgresql://me:secret@host/db?sslmode=require&", "has a query with a part"),
        ("jdbc:postgresql://me:secret@host/db", "is for JDBC"),
        ("postgresql:/me:secret@host/db", "does not begin with postgresql://"),
        ("postgresql://me:secret@host/db?sslmod=require", "has an unknown option 'sslmod'"),
        ("postgresql://me:secret@h/db?target_session_attrs=rw", "unknown target_session_attrs"),
        ("postgresql://me:secret@h/db?sslrootcert=/no/such/file", "a file for sslrootcert"),
        ("postgresql://me:sec#ret@host:port/db", "has a port"),
        ("postgresql://me@host/db#x", "has a #"),
    ],
)
def test_an_invalid_url_is_refused_in_one_line_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(DatabaseUrlInvalid) as caught:
        check_url(url)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://host/{'x' * 50_000}",
        f"postgresql+{'x' * 50_000}://host/db",
        f"postgresql://host/db?sslmode={'x' * 50_000}",
    ],
    ids=range(3),
)
def test_the_error_about_a_long_url_is_short(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid) as caught:
        check_url(url)
    assert len(str(caught.value)) < 800


# --- the server that is wanted --------------------------------------------------------------------


@pytest.fixture
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSERVICE", "PGTARGETSESSIONATTRS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_variables_of_libpq")
@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://me:secret@h1:5432,h2:5433/db", "read-write"),
        ("postgresql://h1,h2/db", "read-write"),
        ("postgresql://me@/db?host=h1,h2", "read-write"),
        ("postgresql://me@h1,h2/db?target_session_attrs=any", None),
        ("postgresql://me@h1,h2/db?service=interviews", None),
        ("postgresql://me:se,cret@host/db", None),
        ("postgresql://postgres@/db?host=/run/x&port=5432", None),
        ("postgresql:///db", None),
    ],
)
def test_of_several_hosts_one_that_accepts_writes_is_wanted(url: str, wanted: str | None) -> None:
    assert wanted_server(url) == wanted


@pytest.mark.usefixtures("no_variables_of_libpq")
def test_several_hosts_may_come_from_the_variables_of_libpq(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "h1,h2")
    assert wanted_server("postgresql:///db") == "read-write"
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "prefer-standby")
    assert wanted_server("postgresql:///db") is None


# --- passwords with characters that a URL must escape ---------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pa@ss", "pa@ss"),
        ("pa#ss", "pa#ss"),
        ("pa/ss", "pa/ss"),
        ("pa?ss", "pa?ss"),
        ("12?a=b", "12?a=b"),
        ("12/34", "12/34"),
        ("pa%ss", "pa%ss"),
        ("pa:ss", "pa:ss"),
        ("p[a]s]s", "p[a]s]s"),
        ("a@b/c?d#e:f%g", "a@b/c?d#e:f%g"),
        ("pa%40ss", "pa@ss"),
        ("pa%23%2F%3F", "pa#/?"),
    ],
)
@pytest.mark.parametrize("rest", ["db.example/x", "db.example:6432/x?sslmode=require", "[::1]:1/x"])
def test_a_password_works_with_or_without_escapes(written: str, meant: str, rest: str) -> None:
    url = DatabaseUrl.of(f"postgresql://me:{written}@{rest}")
    assert (url.user, url.password) == ("me", meant)
    assert url.hosts == rest.partition("/")[0]
    assert url.path == "/x"
    again = DatabaseUrl.of(str(url))
    assert (again.password, again.hosts, again.options) == (meant, url.hosts, url.options)


def test_a_user_may_contain_an_at_as_azure_prints_it() -> None:
    url = DatabaseUrl.of("postgresql://me@server:secret@server.postgres.database.azure.com:5432/x")
    assert url.user == "me@server"
    assert url.hosts == "server.postgres.database.azure.com:5432"


def test_an_option_may_contain_an_at() -> None:
    url = DatabaseUrl.of("postgresql://db.example:5432/x?user=me@server&password=secret")
    assert url.hosts == "db.example:5432"
    assert url.options["user"] == "me@server"


def test_a_password_with_an_and_sign_is_not_shown_in_part() -> None:
    with pytest.raises(DatabaseUrlInvalid) as raised:
        check_url("postgresql://host/db?password=se&cret=1")
    assert "cret" not in str(raised.value)
    assert "write %26 for each & of the password" in str(raised.value)


def test_the_pass_of_a_job_is_not_sent_and_not_shown() -> None:
    url = "postgresql://me@/x?host=/run/x&interview_pass=abc"
    assert DatabaseUrl.of(url).own_pass == "abc"
    assert str(DatabaseUrl.of(url)) == "postgresql://me@/x?host=/run/x"
    assert mask_url(url) == "postgresql://me@/x?host=/run/x&interview_pass=***"
