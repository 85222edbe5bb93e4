"""Broken plans, URLs and settings, and the messages that the current code gives for them.

Print the messages of all broken inputs, or of one kind, as JSON:

    .venv/bin/python -m tests.compat.broken_inputs plans > tests/compat/messages/plans.json
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.environment import OURS
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid
from worker.interview.plan.plan import MAX_FILE_BYTES, Plan, PlanError, load_plan
from worker.livekit_api.errors import LiveKitError, shown_url
from worker.livekit_api.errors import check_url as check_livekit_url
from worker.store.url import DatabaseUrlInvalid, mask_url
from worker.store.url import check_url as check_database_url

GOOD: Final = """\
title: A plan
opening: Hello.
questions:
  - id: first
    text: What did you build?
  - id: second
    text: Why?
    good_answer: [a reason, an example]
    follow_ups: [And then?, "Who else?"]
    longest_time_s: 60
    thinking_pause_s: 1.2
closing: Goodbye.
"""
#: The part of GOOD after which keys of its last question may stand.
_LAST: Final = "    thinking_pause_s: 1.2\n"
_QUESTION: Final = {"id": "first", "text": "Why?"}
_GOOD_DATA: Final = {"title": "A", "opening": "B", "questions": [_QUESTION], "closing": "C"}


def _data(**changes: object) -> dict[str, object]:
    return _GOOD_DATA | changes


def _asked(**changes: object) -> dict[str, object]:
    return _data(questions=[_QUESTION | changes])


def _asking(*lines: str) -> str:
    """Return GOOD with more lines in its last question."""
    return GOOD.replace(_LAST, _LAST + "".join(f"    {line}\n" for line in lines))


#: Plan files (text or bytes), and JSON data.
PLANS: Final[Mapping[str, object]] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "an empty document": "---\n",
    "a list at the top": "- a\n- b\n",
    "text at the top": "just words\n",
    "unknown key with a hint": GOOD.replace("title:", "titel:"),
    "unknown key without a hint": GOOD + "colour: blue\n",
    "unknown key of a question": GOOD.replace("longest_time_s:", "longest_tim:"),
    "unknown key of 100 characters": GOOD + "x" * 100 + ": 1\n",
    "unknown keys that are numbers and booleans": GOOD + "1: a\ntrue: b\nnull: c\n2.5: d\n",
    "unknown key without a value": GOOD + "colour:\n",
    "duplicate key": GOOD + "title: Another\n",
    "duplicate key of a question": GOOD.replace("    text: Why?", "    text: Why?\n    text: Oh?"),
    "duplicate key with a wrong value": GOOD + "title: 5\n",
    "duplicate unknown key": GOOD + "colour: 1\ncolour: 2\n",
    "missing texts": "questions:\n  - id: a\n",
    "a text without a value": GOOD.replace("title: A plan", "title:"),
    "everything missing": "language: en\n",
    "wrong types": "title: 5\nopening: [a]\nquestions: all\nclosing: {a: b}\nlanguage: 1\n"
    "short_answer_words: few\n",
    "wrong types in a question": GOOD.replace("    text: Why?", "    text: true")
    .replace("[a reason, an example]", "a reason")
    .replace("[And then?, ", "[7, ~, ")
    .replace("_time_s: 60", "_time_s: an hour")
    .replace("pause_s: 1.2", "pause_s: '1.2'"),
    "a question that is text": GOOD.replace("  - id: first\n    text:", "  - "),
    "a date, an octal number, underscores": GOOD + "short_answer_words: 1_0\n"
    "language: 2024-01-01\n",
    "an octal number": GOOD + "short_answer_words: 0o7\n",
    "a hexadecimal number": GOOD + "short_answer_words: 0x7\n",
    "infinity": GOOD.replace("60", ".inf"),
    "not a number": GOOD.replace("60", ".nan"),
    "bounds of seconds": GOOD.replace("60", "9.9").replace("1.2", "6.01"),
    "bounds of whole numbers": GOOD.replace("Why?", "Why?\n    follow_ups_allowed: 6")
    + "short_answer_words: -1\n",
    "a fraction as a whole number": GOOD + "short_answer_words: 1.5\n",
    "a whole number as a fraction": GOOD + "short_answer_words: 1.0\n",
    "a boolean as a number": GOOD.replace("60", "true") + "short_answer_words: true\n",
    "a huge number": GOOD.replace("60", "1e999") + f"short_answer_words: {'9' * 18}\n",
    "a number of 60 digits": GOOD + f"short_answer_words: {'9' * 60}\n",
    "text too long": GOOD.replace("Hello.", "x" * 2001),
    "text of spaces": GOOD.replace("Hello.", '" \\n "'),
    "a NUL character": GOOD.replace("Hello.", '"a\\0b"'),
    "a lone surrogate": GOOD.replace("Hello.", '"\\ud800"'),
    "id with capitals": GOOD.replace("id: second", "id: Second"),
    "id too long": GOOD.replace("id: second", f"id: {'a' * 65}"),
    "id as a number": GOOD.replace("id: second", "id: 2"),
    "id with a line break": GOOD.replace("id: second", 'id: "second\\n"'),
    "the same id twice": GOOD.replace("id: second", "id: first"),
    "the same id in a broken question": GOOD.replace("id: second", "id: first").replace("60", "6"),
    "the same id after a question that is text": GOOD.replace(
        "questions:\n", "questions:\n  - words\n"
    ).replace("id: second", "id: first"),
    "wrong language": GOOD + "language: English!\n",
    "language too long": GOOD + f"language: en{'-abcdefgh' * 4}\n",
    "no questions": "title: A\nopening: B\nquestions: []\nclosing: C\n",
    "too many questions": "title: A\nopening: B\nclosing: C\nquestions:\n"
    + "".join(f"  - {{id: q{n}, text: Why?}}\n" for n in range(501)),
    "too many follow-ups": GOOD.replace("[And then?, ", "[a, b, c, d, e, "),
    "too many points": GOOD.replace("[a reason, an example]", f"[{', '.join(['a'] * 21)}]"),
    "a broken entry among too many": GOOD.replace("[And then?, ", "[1, 2, 3, 4, 5, "),
    "several problems": "titel: A plan\nopening: 5\nquestions:\n  - id: Not a slug\n"
    "    text: Why?\n    longest_time_s: ten\n    folow_ups: []\n    follow_ups_allowed: 1.5\n",
    "several problems on one line": "{titel: 1, questions: [{id: A, text: 1}, 2], language: 3}\n",
    "problems below a broken list": GOOD.replace(
        "[a reason, an example]", '\n      - a\n      - ""'
    ),
    "wrong types in the optional keys": GOOD
    + "disclosure: Hello.\nconsent: yes\nfacts: [a]\ncandidate_questions: 5\nsilence: 5\n"
    "sound_check: [a]\nstopped: 5\npostponed: {a: b}\nmissed: true\n",
    "wrong types in the optional keys of a question": _asking(
        "mandatory: no",
        "may: skip",
        "rephrased: Oh?",
        "clarify: [a]",
        "points: a reason",
        "probes_allowed: two",
        "expects: 5",
        "time: 60",
    ),
    "bounds of the optional keys": _asking(
        "may: [skip, come_back, pause]",
        f"rephrased: [{', '.join(['a'] * 6)}]",
        f"clarify: {{{', '.join(f'a{n}: b' for n in range(11))}}}",
        f"points: [{', '.join(f'{{id: p{n}, text: a}}' for n in range(21))}]",
        "probes_allowed: 6",
        "time: {soft_s: 9.9, hard_s: 2700.1}",
    )
    + "silence: [15, 30, 50]\ncandidate_questions: {longest_s: 9}\n",
    "unknown words in the optional keys": _asking("may: [skip, pause]", "expects: essay"),
    "unknown keys in the optional keys": _asking(
        "points: [{id: a, text: b, prob: c}]", "time: {soft: 60, x: 1}"
    )
    + "disclosure: {says: a}\nconsent: {ask: a, x: b}\nfacts: {pay: a}\n"
    "candidate_questions: {longest: 60}\n",
    "missing texts in the optional keys": _asking("points:", "  - id: a") + "consent: {}\n",
    "the same choice twice": _asking("may: [skip, skip]"),
    "the same id of a point twice": _asking("points:", "  - {id: a, text: b}", "  - {id: a}"),
    "id of a point with capitals": _asking("points: [{id: A, text: b}]"),
    "a hard limit below the soft one": _asking("time:", "  soft_s: 90", "  hard_s: 80"),
    "a hard limit below the default soft one": _asking("time: {hard_s: 20}"),
    "silence that does not rise": GOOD + "silence:\n  - 15\n  - 30\n  - 30\n  - 80\n  - 90\n",
    "silence of words and bounds": GOOD + "silence: [soon, 0, 50, 80, 901]\n",
    "wrong texts in a mapping of texts": _asking(
        "clarify:", '  "": a', "  b:", "  c: 5", '  h: ""'
    ),
    "a key of texts twice": _asking("clarify:", "  d  e: f", "  d e: g", "  h: i", "  h: j"),
    "markup in the optional keys": _asking(
        "rephrased: [a <br> b]",
        "clarify: {a: '{name}'}",
        "points:",
        "  - {id: a, text: <b>, probe: <b>}",
    )
    + "disclosure: {say: <b>}\nconsent: {ask: <b>, refused: <i>}\nfacts: {delete: <b>}\n"
    "candidate_questions: {ask: <b>}\nsound_check: <b>\nstopped: <b>\npostponed: <b>\n"
    "missed: <b>\n",
    "an alias": "title: &t x\nopening: *t\n",
    "an unknown alias": "title: *t\n",
    "an alias as a key": "title: &t x\n*t : y\n",
    "an anchor without an alias, twice": GOOD.replace("Hello.", "&a 5").replace("Why?", "&a 6"),
    "a merge key": "a: &a {title: x}\n<<: *a\n",
    "a tag": "title: !!str 5\n",
    "a tag of an object": "a: !!python/object:os.system x\n",
    "a tag of a list": "questions: !!set [a]\n",
    "a tag of a key": "!x title: a\n",
    "a tag with a line break": 'title: !x%0Ay "a"\n',
    "a tag without a name": "title: ! a\n",
    "a second document": "title: x\n---\ntitle: y\n",
    "a YAML version": "%YAML 1.1\n---\ntitle: yes\n",
    "a tab as indentation": "title: x\n\tbad: y\n",
    "an open bracket": "a: [1\n",
    "an open quote": 'title: "x\nopening: y\n',
    "a colon in a text": "title: a: b\n",
    "bad indentation": "title: x\n opening: y\n",
    "a key that is a list": "? [a]\n: b\n",
    "a key that is a mapping": "{a: b}: c\n",
    "nested too deeply": "[" * 5000,
    "17 lists inside each other": "a: " + "[" * 17 + "]" * 17 + "\n",
    "a control character": "title: x\nopening: \x01\n",
    "not UTF-8": b"title: x\nopening: \xff\n",
    "UTF-16": "title: x\n".encode("utf-16"),
    "too large": b"#" * (MAX_FILE_BYTES + 1),
    "U+0085 in a key": '"a\\Nb": 1\n',
    "U+2028 in a key": '"a\\Lb": 1\n',
    "U+2028 as a line break": "title: x\u2028opening: 5\n",
    "a direction mark in a value": 'language: "\\u202Ede"\n',
    "Windows line breaks": GOOD.replace("Hello.", "5").replace("\n", "\r\n"),
    "old Macintosh line breaks": GOOD.replace("Hello.", "5").replace("\n", "\r"),
    "JSON: nothing": {"json": None},
    "JSON: a list": {"json": [1]},
    "JSON: text": {"json": "x" * 50},
    "JSON: an empty object": {"json": {}},
    "JSON: unknown keys": {"json": _data(titel="x", colour=1)},
    "JSON: a NUL character": {"json": _data(opening="a\0b")},
    "JSON: a lone surrogate": {"json": _data(opening="a\ud800b")},
    "JSON: a lone surrogate in an id": {"json": _asked(id="a\ud800")},
    "JSON: text of 2001 characters": {"json": _data(closing="x" * 2001)},
    "JSON: null": {"json": _data(closing=None, language=None)},
    "JSON: no number": {"json": _asked(longest_time_s=float("nan"))},
    "JSON: an infinite number": {"json": _asked(thinking_pause_s=float("inf"))},
    "JSON: a number of 400 digits": {"json": _asked(longest_time_s=10**400)},
    "JSON: an object as a list": {"json": _data(questions={"0": _QUESTION})},
    "JSON: an empty list": {"json": _data(questions=[])},
    "JSON: a lone surrogate in a key of texts": {"json": _asked(clarify={"a\ud800": ""})},
    "JSON: no number in the silence": {"json": _data(silence=[float("nan"), 2, 3, 4, 5])},
    "JSON: wrong entries": {"json": _data(questions=[1, None, [], _QUESTION, _QUESTION])},
    "JSON: several problems": {
        "json": {
            "language": "x",
            "zzz": 1,
            "questions": [
                {"longest_time_s": 1, "id": "", "text": "", "zzz": 1, "follow_ups": [""]}
            ],
            "title": "",
        }
    },
}

#: URLs by kind. A URL that is accepted gives what the worker shows of it.
URLS: Final[Mapping[str, tuple[str, ...]]] = {
    "LIVEKIT_URL": (
        "",
        "hunter2",
        "localhost",
        "127.0.0.1:7880",
        "localhost:7880",
        "//host",
        "ftp://host",
        "ws://",
        "ws://:7880",
        "ws://host:port",
        "ws://host:hunter2",
        "ws://host:0",
        "ws://host:70000",
        "ws://[::1",
        "ws://[::1]x:1",
        "ws://user:hunter2@127.0.0.1:7880",
        "wss://user@example.org",
        "wss://user:hunter2@host:443/p?token=hunter2",
        "ws:/host",
        "WS://Host:7880",
        "ws://[::1]:7880",
        "wss://example.livekit.cloud",
        "https://host:1/path?token=hunter2#hunter2",
        "http://host:",
        "ws://münchen.example",
        "ws://a_b.example:80",
    ),
    "DATABASE_URL": (
        "",
        "interviews",
        "me:hunter2@host/db",
        "host=db user=me password=hunter2",
        "postgresql:me:hunter2@host",
        "localhost:5432/db",
        "mysql://me:hunter2@host/db",
        "postgresql+asyncpg://me:hunter2@host/db",
        "postgres+psycopg://host/db",
        "postgresql://me:hunter2@host:port/db",
        "postgresql://host:70000/db",
        "postgresql://host:0/db",
        "postgresql://h1:5432,h2:x/db",
        "postgresql://ho st/db",
        "postgresql://me:hunter2\t@host/db",
        "postgresql://host/d\0b",
        "postgresql://host/db\n",
        "postgresql://[::1/db",
        "postgresql://me@[::1]:x/db",
        "postgresql://me@/db?host=/run/x&port=five",
        "postgresql://me:hunter2@some..host/db",
        f"postgresql://me:hunter2@{'x' * 64}.example/db",
        "postgresql://me:hunter2@host/db?sslmode=yes",
        "postgresql://host/db?password=hunter2&sslmode=no",
        "postgresql://me:hun@ter2/x@host:y/db",
        "postgresql:/host/db",
        "postgresql://me:hunter2@host:5432/db?sslmode=require",
        "postgresql://me:hun@ter2@host/db",
        "postgresql://me@srv:hunter2@db:5432/x",
        "postgresql://me:hunter2@h1,,h2/db",
        "postgresql://me:hunter2@host/db?sslmode",
        "postgres://host/db?sslpassword=hunter2&x=1",
        "postgresql://me@h1:5432,h2:5433/db",
        "postgresql://me@[::1]:5432/db",
        "postgresql://me@[::1]/db?sslmode=verify-full",
        "postgresql://postgres@/postgres?host=/run/x&port=5432",
        "postgresql://%2Frun%2Fx/db",
        "postgresql:///db",
    ),
    "DEEPGRAM_BASE_URL": (
        "",
        "api.deepgram.com",
        "ftp://host",
        "wss://host/v1 /listen",
        "wss://host:port/v1",
        "wss://host/v1/",
    ),
    "ELEVENLABS_BASE_URL": ("", "https://", "https://host:0", "https://[::1", "ws://host/v1//"),
    "OPENAI_BASE_URL": (
        "",
        "localhost:8080",
        "ws://host/v1",
        "http://host:70000",
        "http://:80/v1",
        "http://host\t/v1",
        "https://user:pass@host/v1/",
    ),
}

#: Settings by variable, as `Settings.load` takes them.
SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "below a bound that is included": {"INTERVIEW_SLOTS": "0"},
    "below a bound that is excluded": {"INTERVIEW_CLEANUP_S": "0"},
    "above a bound": {"INTERVIEW_LEASE_S": "301"},
    "above a bound of a budget": {"INTERVIEW_BUDGET_CLOSING_S": "14.1"},
    "a port out of range": {"INTERVIEW_HTTP_PORT": "65536"},
    "empty number": {"INTERVIEW_DRAIN_S": ""},
    "text as a whole number": {"INTERVIEW_SLOTS": "many"},
    "a fraction as a whole number": {"INTERVIEW_SLOTS": "1.5"},
    "text as a number": {"INTERVIEW_WATCH_S": "soon"},
    "not a number": {"INTERVIEW_SILENCE_FILLER_S": "nan"},
    "infinite": {"INTERVIEW_JOURNAL_KEEP_DAYS": "inf"},
    "a boolean": {"INTERVIEW_EMBEDDED": "perhaps"},
    "an empty boolean": {"INTERVIEW_PREPARED_SPEECH": ""},
    "a choice": {"INTERVIEW_LOG_LEVEL": "loud"},
    "an empty choice": {"INTERVIEW_NO_SUCCESSOR": ""},
    "a name that is empty": {"INTERVIEW_AGENT_NAME": ""},
    "a name that is too long": {"INTERVIEW_AGENT_NAME": "x" * 101},
    "a model that is empty": {"INTERVIEW_OPENAI_MODEL": ""},
    "a language that is too short": {"INTERVIEW_DEEPGRAM_LANGUAGE": "e"},
    "a pattern": {"INTERVIEW_APPLICATION": "my application"},
    "the pattern of a voice": {"INTERVIEW_ELEVENLABS_VOICE": "a/b"},
    "unknown STT provider": {"INTERVIEW_STT": "whisper"},
    "unknown TTS provider": {"INTERVIEW_TTS": "local,espeak"},
    "unknown language model": {"INTERVIEW_LLM": "scripted,gpt"},
    "an empty chain": {"INTERVIEW_STT": ""},
    "a chain of commas": {"INTERVIEW_LLM": " , "},
    "a provider twice": {"INTERVIEW_TTS": "local, local"},
    "no Deepgram key": {"INTERVIEW_STT": "deepgram"},
    "no ElevenLabs key": {"INTERVIEW_TTS": "elevenlabs", "ELEVEN_API_KEY": " "},
    "no OpenAI key": {"INTERVIEW_LLM": "openai"},
    "a ladder of words": {"INTERVIEW_LADDER_S": "soon"},
    "a ladder of six": {"INTERVIEW_LADDER_S": "1,2,3,4,5,6"},
    "a ladder that does not rise": {"INTERVIEW_LADDER_S": "1,2,2,3,4,5,6"},
    "an empty ladder": {"INTERVIEW_LADDER_S": ""},
    "a public address without a token": {"INTERVIEW_HTTP_HOST": "192.0.2.1"},
    "faults that are not allowed": {"INTERVIEW_FAULTS": "load.vad=hang"},
    "an unknown fault": {"INTERVIEW_FAULTS": "load.nothing=hang", "INTERVIEW_ALLOW_FAULTS": "1"},
    "a fault without an action": {"INTERVIEW_FAULTS": "load.vad", "INTERVIEW_ALLOW_FAULTS": "1"},
    "a secret of the wrong type": {"LIVEKIT_API_SECRET": ["hunter2"]},
    "a URL of the wrong type": {"DATABASE_URL": 5},
    "several": {"INTERVIEW_SLOTS": "0", "INTERVIEW_STT": "x", "INTERVIEW_HTTP_PORT": "y"},
    "several of every group": {
        "INTERVIEW_LADDER_S": "x",
        "INTERVIEW_WATCH_S": "x",
        "INTERVIEW_LOG_FORMAT": "x",
        "INTERVIEW_HTTP_PORT": "x",
        "OPENAI_BASE_URL": "x",
        "INTERVIEW_BUDGET_READY_S": "0",
    },
}


def plan_messages(given: object, folder: Path) -> list[str]:
    """Return the problems of a plan file (text or bytes), or of JSON data ({"json": data})."""
    file = folder / "plan.yaml"
    try:
        if isinstance(given, dict):
            Plan.from_json(given["json"])
        else:
            file.write_bytes(given if isinstance(given, bytes) else str(given).encode())
            load_plan(file)
    except PlanError as error:
        return str(error).replace(str(file), file.name).split("\n")
    return []


def settings_messages(given: Mapping[str, object]) -> list[str]:
    """Return the problems of settings. The environment must hold no setting."""
    try:
        Settings.load(**dict(given))
    except SettingsInvalid as error:
        return list(error.problems)
    return []


def url_messages(variable: str, url: str) -> list[str]:
    """Return the problem of a URL; for an accepted URL, what is shown or kept of it."""
    if variable == "LIVEKIT_URL":
        return _checked(check_livekit_url, LiveKitError, url) or [f"shown as {shown_url(url)}"]
    if variable == "DATABASE_URL":
        shown = [f"shown as {mask_url(url)}"]
        return _checked(check_database_url, DatabaseUrlInvalid, url) or shown
    try:
        settings = Settings.load(**{variable: url})
    except SettingsInvalid as error:
        return list(error.problems)
    return [f"kept as {getattr(settings, variable.lower())}"]


def _checked(check: Callable[[str], None], invalid: type[Exception], url: str) -> list[str]:
    try:
        check(url)
    except invalid as error:
        return [str(error)]
    return []


def messages() -> dict[str, Any]:
    """Return the messages of all broken inputs, by kind and name."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "plans": {name: plan_messages(given, Path(folder)) for name, given in PLANS.items()},
            "urls": {
                variable: {url: url_messages(variable, url) for url in urls}
                for variable, urls in URLS.items()
            },
            "settings": {name: settings_messages(given) for name, given in SETTINGS.items()},
        }


def main() -> None:
    """Print the messages of the kind on the command line (all kinds without one)."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    found = messages()
    print(json.dumps(found[sys.argv[1]] if sys.argv[1:] else found, indent=1))


if __name__ == "__main__":
    main()
