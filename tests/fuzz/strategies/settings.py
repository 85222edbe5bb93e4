"""Settings: values of the variables, files of settings, faults, and the URLs of servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from pydantic import SecretStr

from states import State
from tests.fuzz.strategies.damage import as_bytes, damaged_bytes, odd_text
from worker.config.settings import Settings, variable_of
from worker.env.secret_files import SUFFIX
from worker.faults.points import POINTS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

#: Part of every secret. No error and no list of the settings may contain it.
SECRET: Final = "hunter2zebra"
#: Variables whose values are secrets.
SECRETS: Final = tuple(
    variable_of(name)
    for name, field in Settings.model_fields.items()
    if field.annotation is SecretStr
)
_NUMBERS: Final = ("0", "1", "2.5", "-1", "1e999", "nan", "9" * 5000, "0x10", "1_000", " 3 ")
_WORDS: Final = ("true", "no", "local", "scripted", "json", "close", "127.0.0.1", "::1", "ws://h:1")


def _plain_values() -> SearchStrategy[str]:
    """Return values that some variable accepts."""
    return st.one_of(
        st.sampled_from((*_NUMBERS, *_WORDS)),
        st.integers(-1, 70_000).map(str),
        st.floats(-1, 4000).map(str),
        chains(),
        ladders(),
    )


def chains() -> SearchStrategy[str]:
    """Return fallback chains, most of them with a known provider."""
    known = ("local", "deepgram", "elevenlabs", "openai", "scripted")
    names = st.sampled_from((*known, "whisper", ""))
    return st.lists(names, max_size=4).map(",".join)


def ladders() -> SearchStrategy[str]:
    """Return values of INTERVIEW_LADDER_S."""
    times = st.sampled_from(("1", "5", "8.5", "0", "700", "nan", "x", ""))
    names = st.sampled_from(("clip", "again", "close", "other", ""))
    named = st.builds("{}={}".format, names, times)
    return st.lists(times, max_size=8).map(",".join) | st.lists(named, max_size=4).map(",".join)


def faults() -> SearchStrategy[str]:
    """Return values of INTERVIEW_FAULTS: mostly valid ones, with odd arguments and moments."""
    place = st.sampled_from([name for point in POINTS for name in point.places] + ["load.vda", ""])
    kind = st.sampled_from([kind.value for kind in Kind] + ["hung", ""])
    argument = st.sampled_from(("", ":1.5", ":401", ":53100", ":nan", ":", ":\x1b[2J")) | (
        odd_text().map(":{}".format)
    )
    states = [f"@{state.value.lower()}" for state in State]
    moment = st.sampled_from((*states, "", "@2", "@0", "@" + "9" * 5000, "@\u0663", "@runing"))
    one = st.builds("{}={}{}{}".format, place, kind, argument, moment)
    return st.lists(one | odd_text(), max_size=3).map(";".join)


@st.composite
def variables(draw: DrawFn) -> Mapping[str, Any]:
    """Return values of some variables, secrets among them. Most values are wrong somewhere."""
    names = [variable_of(name) for name in Settings.model_fields]
    chosen = draw(st.lists(st.sampled_from(names), max_size=6, unique=True))
    values: dict[str, Any] = {
        name: draw(_plain_values() | odd_text()) for name in chosen if name not in SECRETS
    }
    for name in draw(st.lists(st.sampled_from(SECRETS), max_size=3, unique=True)):
        before, after = draw(odd_text()), draw(odd_text())
        values[name] = f"{before}{SECRET}{after}"
    if draw(st.booleans()):
        values |= {"INTERVIEW_FAULTS": draw(faults()), "INTERVIEW_ALLOW_FAULTS": "1"}
    return values


def _secret_files() -> SearchStrategy[str]:
    """Return lines that name the file of a secret. None of the files has a secret."""
    path = st.sampled_from(("", " ", "/", "/dev/null", "none", "~/none")) | odd_text()
    return st.builds("{}{}={}".format, st.sampled_from(SECRETS), st.just(SUFFIX), path)


@st.composite
def _env_files(draw: DrawFn) -> bytes:
    lines = []
    for name, value in draw(variables()).items():
        form = draw(st.sampled_from(("{}={}", "export {}='{}'", '{}="{}"', "{} = {} # x", "{}")))
        lines.append(form.format(name, value))
    extra = ("# comment", "NAME", "=x", "A=${B}", "B=${A}", 'C="open', "D='open", "E=$(x)", "\t")
    lines += draw(st.lists(st.sampled_from(extra) | _secret_files() | odd_text(), max_size=4))
    return as_bytes("\n".join(draw(st.permutations(lines))))


def env_files() -> SearchStrategy[bytes]:
    """Return files of settings, whose bytes may be damaged."""
    return damaged_bytes(_env_files())


@dataclass(frozen=True, kw_only=True)
class SecretUrl:
    """A URL of a database with a password that contains `SECRET`."""

    url: str
    #: Another form of the URL, whose structure is damaged. The password may be at any place.
    damaged: str


@st.composite
def database_urls(draw: DrawFn) -> SecretUrl:
    """Return URLs of databases, with all that users put into them."""
    user = draw(odd_text()).replace(":", "")
    password = f"{draw(odd_text())}{SECRET}{draw(odd_text())}"
    host = draw(st.sampled_from(("host", "h1:5432,h2", "[::1]:5432", "%2Frun%2Fx", "", "a..b")))
    query = draw(st.sampled_from(("", "?sslmode=require", "?sslmode=x", "?a", "?host=/run&port=5")))
    scheme = draw(st.sampled_from(("postgresql", "postgres", "postgresql+asyncpg", "mysql")))
    url = f"{scheme}://{user}:{password}@{host}/db{query}"
    at, piece = draw(st.integers(0, len(url))), draw(odd_text())
    return SecretUrl(url=url, damaged=url[:at] + piece + url[draw(st.integers(at, len(url))) :])


def server_urls() -> SearchStrategy[str]:
    """Return URLs of LiveKit servers and of others."""
    return st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(("ws", "wss", "http", "https", "ftp", "WSS", "")),
        st.sampled_from(("", f"user:{SECRET}@", "user@")),
        st.sampled_from(("host", "[::1]:7880", "host:0", "a..b", "xn--a", "[::1", "h:99999"))
        | odd_text(),
        st.sampled_from(("", f"/p?token={SECRET}", f"#{SECRET}", "/", "//x"))
        | odd_text().map("/{}".format),
    )
