"""What the doctor says about the TLS of the database."""

from __future__ import annotations

import pytest

from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.database_tls import check_tls
from worker.doctor.finding import Verdict

FAR = "postgresql://me:secret@db.example/x"


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "setting", "verdict", "words"),
    [
        (FAR, "verify-full", Verdict.OK, "sslmode verify-full, chosen by the default"),
        (FAR, "require", Verdict.WARNING, "require, chosen by INTERVIEW_DATABASE_TLS"),
        (f"{FAR}?sslmode=disable", "verify-full", Verdict.WARNING, "disable, chosen by the URL"),
        ("postgresql://me@localhost/x", "verify-full", Verdict.OK, "on this machine"),
        ("", "verify-full", Verdict.OK, "Unix socket"),
    ],
)
async def test_the_mode_and_who_chose_it_are_named(
    url: str, setting: str, verdict: Verdict, words: str
) -> None:
    settings = Settings.load(_env_file=None, DATABASE_URL=url, INTERVIEW_DATABASE_TLS=setting)
    async with CheckContext(settings) as visit:
        finding = await check_tls(visit)
    assert finding.verdict is verdict
    assert words in finding.found
    assert "secret" not in finding.found
