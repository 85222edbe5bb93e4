"""The frozen phrasings are unchanged, cover every act, and are not those that patterns use."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import cache
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.support.paths import REPOSITORY

FOLDER: Final = REPOSITORY / "tests" / "conversation" / "phrasings"
#: Number of phrasings by file.
COUNTS: Final = {"answers.yaml": 100, "requests.yaml": 200}
FIELDS: Final = {"id", "asked", "says", "act", "also", "phase"}
#: Phases in which something may be said; some have a kind in brackets.
PHASE: Final = re.compile(
    r"ASKING|LISTENING|WAITING|CONSENT|SOUND_CHECK|CANDIDATE_QUESTIONS|FAREWELL"
    r"|(?:CLARIFYING|CONFIRMING_END)\([a-z_]+\)"
)


@cache
def read(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))


def words(text: str) -> tuple[str, ...]:
    """Return the words as a recogniser without punctuation, capitals and apostrophes gives them."""
    return tuple(re.findall(r"\w+", text.lower().replace("'", "")))


def listed() -> dict[str, list[str]]:
    """Return the phrasings of tuned_on.yaml by act, with the answers under ANSWER."""
    acts = read("tuned_on.yaml")
    answers = [each for act in acts.values() for each in act.get("answers", ())]
    return {**{name: act["says"] for name, act in acts.items()}, "ANSWER": answers}


def both() -> list[dict[str, str]]:
    return [entry for name in COUNTS for entry in read(name)]


def hashes() -> dict[str, str]:
    """Return the SHA-256 of FROZEN by file."""
    lines = (FOLDER / "FROZEN").read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in (line.split("  ") for line in lines)}


@pytest.mark.parametrize("name", COUNTS)
def test_a_frozen_file_has_its_hash(name: str) -> None:
    found = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
    assert found == hashes()[name], "frozen: see README.md beside it for what a change needs"


def test_the_newest_row_of_the_history_names_the_frozen_hashes() -> None:
    newest = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()[-1]
    missing = [name for name, sha256 in hashes().items() if f"`{sha256[:12]}`" not in newest]
    assert missing == [], "a change of a frozen file has its reason in the history"


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_a_frozen_file_has_its_number_of_phrasings(name: str, count: int) -> None:
    assert len({words(entry["says"]) for entry in read(name)}) == count


def test_every_act_but_an_answer_has_at_least_six_phrasings() -> None:
    counts = Counter(entry["act"] for entry in read("requests.yaml"))
    assert counts.keys() == listed().keys() - {"ANSWER"}
    assert {act: count for act, count in counts.items() if count < 6} == {}


def test_25_requests_follow_an_answer() -> None:
    assert sum(entry.get("also") == "ANSWER" for entry in read("requests.yaml")) == 25


def test_a_third_of_the_requests_has_no_punctuation() -> None:
    bare = [entry for entry in read("requests.yaml") if not re.search(r"[.,:;?!]", entry["says"])]
    assert len(bare) >= 200 / 3


def test_an_answer_is_an_answer_or_a_bare_yes_or_no() -> None:
    acts = Counter(entry["act"] for entry in read("answers.yaml"))
    assert acts.keys() == {"ANSWER", "AFFIRM", "DENY"}
    assert acts["ANSWER"] >= 90


def test_each_phrasing_has_known_fields_acts_and_phases() -> None:
    acts = listed().keys()
    for entry in both():
        assert {"id", "says", "act"} <= entry.keys() <= FIELDS, entry
        assert {entry["act"], entry.get("also", "ANSWER")} <= acts, entry
        assert PHASE.fullmatch(entry.get("phase", "LISTENING")), entry
    assert len({entry["id"] for entry in both()}) == len(both())


def test_no_phrasing_is_one_that_patterns_are_tuned_on() -> None:
    tuned_on = {words(each) for act in listed().values() for each in act}
    assert [entry["id"] for entry in both() if words(entry["says"]) in tuned_on] == []
