"""Plans as JSON data, and plan files in YAML."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.fuzz.strategies.damage import as_bytes, damaged, damaged_bytes, odd_text

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

#: Lines and marks of YAML that a plan may not have, or that change what follows.
_YAML_DAMAGE: Final = (
    "%YAML 1.1\n---\n",
    "%YAML 1.3\n---\n",
    "%TAG ! tag:example,2000:\n---\n",
    "---\n",
    "...\n",
    "&anchor ",
    "*anchor\n",
    "<<: *anchor\n",
    "!!python/object:os.system x\n",
    "!tag ",
    "? ",
    "? - a\n: b\n",
    "- ",
    "\t",
    "  ",
    "# comment\n",
    ": ",
    "| \n",
    ">-\n",
    ">9\n",
    "[" * 40,
    "{" * 40,
    '"\\UFFFFFFFF"',
    '"\\x',
    "'",
    "@",
    "`",
    "0x7",
    ".inf",
    ".nan",
    "1e999",
    "2024-01-01",
    "\u2028",
    "\x85",
)


@cache
def texts() -> SearchStrategy[str]:
    """Return texts that a plan may have: words of any language, without markup."""
    readable = st.characters(
        categories=("L", "Mn", "Nd", "Zs"),
        include_characters=".,;?!'-",
        exclude_characters="\ufe0f",  # makes a character an emoji
    )
    return st.text(readable, min_size=1, max_size=60).filter(lambda text: text.strip() != "")


@cache
def slugs() -> SearchStrategy[str]:
    """Return ids of questions."""
    return st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)


@cache
def _texts_by_text() -> SearchStrategy[dict[str, str]]:
    """Return mappings of texts whose keys differ in more than spaces."""
    pairs = st.tuples(texts(), texts())
    return st.lists(pairs, max_size=3, unique_by=lambda pair: " ".join(pair[0].split())).map(dict)


@cache
def _points() -> SearchStrategy[list[dict[str, str]]]:
    """Return the points of one question."""
    point = st.fixed_dictionaries({"id": slugs(), "text": texts()}, optional={"probe": texts()})
    return st.lists(point, max_size=3, unique_by=lambda each: each["id"])


# Built once: hypothesis needs longer to check a new strategy than to draw from it.
@cache
def _optional_of_a_question() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "good_answer": st.lists(texts(), max_size=3),
            "follow_ups": st.lists(texts(), max_size=5),
            "follow_ups_allowed": st.integers(0, 5),
            "longest_time_s": st.integers(10, 1800) | st.floats(10, 1800),
            "thinking_pause_s": st.floats(0.3, 6.0),
            "mandatory": st.booleans(),
            "may": st.lists(st.sampled_from(("skip", "come_back")), unique=True),
            "rephrased": st.lists(texts(), max_size=3),
            "clarify": _texts_by_text(),
            "points": _points(),
            "probes_allowed": st.integers(0, 5),
            "expects": st.sampled_from(("open", "story", "yes_no", "number", "date", "name")),
            "time": st.fixed_dictionaries({}, optional={"hard_s": st.floats(1800, 2700)}),
        },
    )


@cache
def _optional_of_a_plan() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "language": st.sampled_from(("en", "en-GB")),
            "short_answer_words": st.integers(0, 100),
            "disclosure": st.fixed_dictionaries({}, optional={"say": texts()}),
            "consent": st.fixed_dictionaries({"ask": texts()}, optional={"refused": texts()}),
            "facts": st.fixed_dictionaries(
                {}, optional={"who_reads": texts(), "salary": st.none() | texts()}
            ),
            "candidate_questions": st.fixed_dictionaries(
                {}, optional={"ask": texts(), "longest_s": st.integers(10, 1800)}
            ),
            "silence": st.lists(st.integers(1, 900), min_size=5, max_size=5, unique=True).map(
                sorted
            ),
            "sound_check": texts(),
            "stopped": texts(),
            "postponed": texts(),
            "missed": texts(),
        },
    )


@cache
def _ids() -> SearchStrategy[list[str]]:
    return st.lists(slugs(), min_size=1, max_size=4, unique=True)


@cache
def plans() -> SearchStrategy[dict[str, Any]]:
    """Return the JSON data of a valid plan."""
    return _plans()


@st.composite
def _plans(draw: DrawFn) -> dict[str, Any]:
    ids = draw(_ids())
    more = draw(_optional_of_a_plan())
    questions = []
    for slug in ids:
        optional = draw(_optional_of_a_question())
        questions.append({"id": slug, "text": draw(texts()), **optional})
    return {
        "title": draw(texts()),
        "opening": draw(texts()),
        "questions": questions,
        "closing": draw(texts()),
        **more,
    }


def damaged_plans() -> SearchStrategy[Any]:
    """Return the JSON data of a plan with some changes."""
    return damaged(plans())


def as_yaml(data: Any, *, indent: int = 0) -> str:
    """Return JSON data as YAML in block style. Texts are quoted as JSON quotes them."""
    pad = " " * indent
    match data:
        case {}:
            return "".join(f"{pad}{_key(k)}:{_below(v, indent)}" for k, v in data.items()) or "{}\n"
        case [*entries]:
            return "".join(f"{pad}-{_below(entry, indent)}" for entry in entries) or "[]\n"
        case _:
            return f"{pad}{json.dumps(data, ensure_ascii=False)}\n"


def _key(key: Any) -> str:
    text = str(key)
    return text if text.isidentifier() and text.isascii() else json.dumps(text, ensure_ascii=False)


def _below(value: Any, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + as_yaml(value, indent=indent + 2)
    return " " + as_yaml(value)


def plan_files() -> SearchStrategy[tuple[dict[str, Any], bytes]]:
    """Return a valid plan as data and as a file in YAML."""
    return plans().map(lambda data: (data, as_bytes(as_yaml(data))))


@st.composite
def _damaged_yaml(draw: DrawFn) -> bytes:
    text = as_yaml(draw(damaged(plans())))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(_YAML_DAMAGE) | odd_text()) + text[at:]
    return as_bytes(text)


def damaged_plan_files() -> SearchStrategy[bytes]:
    """Return a plan file in YAML whose data, text and bytes are damaged."""
    return damaged_bytes(_damaged_yaml())


#: Beginnings of the parts of a large file. Each part is repeated.
_PARTS: Final = ("a:\n", "k{n}: 1\n", "- x\n", "? {n}\n: 1\n", "# {n}\n", " {n}\n", "[", "{{a: ")
_ENDS: Final = ("[1, ", '"x', "'x", "&a{n} x\n", "!t{n} x\n", "a: |\n  x\n", "a: >\n\n", "\t", "\r")


def large_plan_files() -> SearchStrategy[bytes]:
    """Return files of many equal parts, which show whether the time grows with their square."""

    def build(part: str, times: int, before: str) -> bytes:
        return as_bytes(before + "".join(part.format(n=number) for number in range(times)))

    part = st.sampled_from((*_PARTS, *_ENDS))
    before = st.sampled_from(("", "questions:\n", "title: x\n", "opening: |\n"))
    return st.builds(build, part, st.sampled_from((200, 2000)), before)
