"""Connection strings as hosting companies print them."""

from __future__ import annotations

import pytest

from worker.store.url import DatabaseUrl, check_url
from worker.store.url_options import OptionInvalid, usable_options

PRINTED = {
    "Neon": (
        "postgresql://ada:secret@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb"
        "?sslmode=require&channel_binding=require",
        {"sslmode": "require"},
    ),
    "Neon without SNI": (
        "postgresql://ada:secret@ep-cool-1.aws.neon.tech/neondb?options=endpoint%3Dep-cool-1",
        {"options": "endpoint=ep-cool-1"},
    ),
    "Supabase for Prisma": (
        "postgresql://postgres.abcd:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
        "?pgbouncer=true&connection_limit=1",
        {},
    ),
    "RDS": (
        "postgresql://ada:secret@db.abc.eu-west-1.rds.amazonaws.com:5432/x?sslmode=verify-full",
        {"sslmode": "verify-full"},
    ),
    "Aurora": (
        "postgresql://ada:secret@a.cluster-x.rds.amazonaws.com,b.cluster-x.rds.amazonaws.com:5432/x"
        "?target_session_attrs=read-write&connect_timeout=10"
        "&keepalives=1&load_balance_hosts=random",
        {"target_session_attrs": "read-write"},
    ),
    "Azure": (
        "postgres://ada%40srv:secret@srv.postgres.database.azure.com/postgres?sslmode=require",
        {"sslmode": "require"},
    ),
    "Heroku and node": ("postgres://ada:secret@db.example/x?ssl=true", {}),
    "node without a check": (
        "postgres://ada:secret@db.example/x?sslmode=no-verify",
        {"sslmode": "require"},
    ),
    "Prisma": ("postgresql://ada:secret@db.example/x?schema=app", {"search_path": "app"}),
    "libpq": (
        "postgresql://ada:secret@db.example/x?sslrootcert=system&gssencmode=disable",
        {"sslrootcert": "system"},
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_printed_url_works_and_only_what_asyncpg_knows_is_kept(name: str) -> None:
    url, options = PRINTED[name]
    check_url(url)
    assert DatabaseUrl.of(url).options == options


@pytest.mark.parametrize(("value", "mode"), [("false", "disable"), ("require", "require")])
def test_the_option_ssl_of_other_clients_is_translated(value: str, mode: str) -> None:
    assert usable_options({"ssl": value}) == {"sslmode": mode}


def test_a_setting_of_an_extension_is_kept() -> None:
    assert usable_options({"my.setting": "1"}) == {"my.setting": "1"}


def test_an_unknown_option_is_named_with_what_to_do() -> None:
    with pytest.raises(OptionInvalid, match=r"'conect_timeout'.*options=-c"):
        usable_options({"conect_timeout": "10"})
