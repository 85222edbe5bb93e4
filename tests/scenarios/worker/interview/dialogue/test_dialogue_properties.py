"""What holds in every dialogue, checked on hostile sequences by an oracle of its own.

The oracle reads the inputs and the places of the records. It uses neither guards nor effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.support.dialogues import (
    HEARD,
    PLAN,
    TODAY,
    Driven,
    any_input,
    begun,
    happens,
    hostile,
    run_to_the_end,
    say,
    seeded,
)
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.bounds import most_utterances
from worker.interview.dialogue.decide import decide
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.fold import fold, fold_stored
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.moves import PROMPTS, Move
from worker.interview.dialogue.phases import Phase, Place, Status
from worker.interview.dialogue.records import Record, from_json, record, to_json
from worker.interview.dialogue.state import Dialogue, Fact

SEEDS = range(100_000, 100_060)
FINAL = {Status.ANSWERED, Status.DECLINED, Status.UNUSABLE, Status.UNANSWERED, Status.NOT_HEARD}
#: Rows that may change a final status: undoing, and a second visit of the question.
REOPENING = {"undo", "answer_goes_on"}


def dialogue(seed: int) -> Driven:
    driven = Driven(PLAN if seed % 2 else TODAY)
    run_to_the_end(driven, hostile(seeded(seed)), most_utterances(driven.plan))
    return driven


@pytest.fixture(scope="module")
def dialogues() -> list[Driven]:
    return [dialogue(seed) for seed in SEEDS]


def heard_questions(records: list[Record]) -> list[set[str]]:
    """Return, after each record, the questions of which 0.8 was heard or delivered in writing."""
    heard: set[str] = set()
    after = []
    for each in records:
        place = Place.parse(each.phase)
        if place.phase is Phase.ASKING:
            over = each.name == Event.PROMPT_DONE and _is_heard(each)
            if over or (each.kind == "turn" and each.share >= 0.8):
                heard.add(place.question)
        after.append(set(heard))
    return after


def _is_heard(each: Record) -> bool:
    return each.share >= 0.8 or each.detail == "written"


def states(driven: Driven) -> list[Dialogue]:
    found = [Dialogue()]
    for each in driven.records:
        found.append(fold([each], found[-1]))
    return found


def test_the_fold_is_the_same_at_every_cut_and_through_json(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        stored = [from_json(to_json(each)) for each in driven.records]
        for cut in (0, 1, len(stored) // 3, len(stored) // 2, len(stored)):
            assert fold(stored[cut:], fold(stored[:cut])) == driven.state


def test_what_is_recorded_is_what_the_table_decides_again(dialogues: list[Driven]) -> None:
    for driven in dialogues[:40]:
        state = Dialogue()
        for each in driven.records:
            given = each.given()
            assert given is not None
            again = record(state, given, decide(state, given, driven.plan), seq=each.seq)
            assert again == each
            state = fold([each], state)


def test_every_word_is_in_exactly_one_answer_or_addition(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        with_words = [each.seq for each in driven.records if each.words]
        kept = [*driven.state.others, *(s for each in driven.state.answers.values() for s in each)]
        assert sorted(kept) == with_words


def test_a_mandatory_question_ends_with_an_answer_or_a_reason(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        standings = {
            q.id: driven.state.standing(q.id) for q in driven.plan.questions if q.mandatory
        }
        for question, standing in standings.items():
            closed = standing.status in (Status.ANSWERED, Status.DECLINED)
            assert closed or standing.reason, (question, standing, driven.state.place)
            assert standing.status is not Status.OPEN
        complete = all(s.status in (Status.ANSWERED, Status.DECLINED) for s in standings.values())
        if driven.state.place.kind == "completed":
            assert complete
        if driven.state.place.kind == "incomplete":
            assert not complete


def test_no_question_has_a_status_before_it_was_heard(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        after = heard_questions(driven.records)
        for each, heard in zip(driven.records, after, strict=True):
            for question, standing in each.standings.items():
                unheard = standing.status in (Status.NOT_REACHED, Status.NOT_HEARD)
                assert unheard or question in heard, (question, standing, each.rows)


def test_final_statuses_stay_and_an_answer_never_becomes_less(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        for before, each in zip(states(driven), driven.records, strict=False):
            for question, standing in each.standings.items():
                was = before.standing(question).status
                if was not in FINAL or REOPENING & set(each.rows):
                    continue
                assert was is not Status.ANSWERED or standing.status is Status.ANSWERED
                more = standing.status in (Status.ANSWERED, Status.PARTLY)
                assert more or standing.status is was, (question, was, standing, each.rows)


def test_first_askings_are_in_plan_order(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        order = [q.id for q in driven.plan.questions]
        asked = [each.to.question for each in driven.records if Move.ASK in each.moves and each.to]
        first = list(dict.fromkeys(asked))
        assert first == [each for each in order if each in first]


def test_a_deferred_question_is_asked_again_only_after_the_others(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        for before, each in zip(states(driven), driven.records, strict=False):
            if each.facts.get(Fact.ROUND) == 2:
                left = [q.id for q in driven.plan.questions if _is_new(before, each, q.id)]
                assert left == []


def _is_new(before: Dialogue, each: Record, question: str) -> bool:
    standing = each.standings.get(question, before.standing(question))
    return standing.status is Status.NOT_REACHED and not standing.reason


def test_a_yes_to_a_line_that_was_not_heard_answers_nothing(dialogues: list[Driven]) -> None:
    rows = {"end_confirmed", "consent_given", "consent_denied", "skip_yes", "readback_yes"}
    for driven in dialogues:
        for before, each in zip(states(driven), driven.records, strict=False):
            if rows & set(each.rows):
                assert before.facts.get(Fact.LINE_HEARD), (each.rows, each.seq)


def test_after_a_confirmed_end_no_question_of_the_plan_is_said(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        ended = False
        wishes = Counter[str]()
        for each in driven.records:
            requests = (each.name, each.also)
            wishes.update(
                name for name in requests if name in ("STOP", "POSTPONE", "AFFIRM", "READY")
            )
            if ended:
                assert not PROMPTS.intersection(each.moves)
            if each.facts.get(Fact.OUTCOME) in ("stopped", "postponed"):
                ended = True
                assert Move.GOODBYE in each.moves
                assert sum(wishes.values()) >= 2, wishes


def test_no_answer_counts_before_disclosure_and_consent(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        for before, each in zip(states(driven), driven.records, strict=False):
            counts = {s.status for s in each.standings.values()} - {
                Status.NOT_REACHED,
                Status.NOT_HEARD,
            }
            if counts:
                assert before.facts.get(Fact.DISCLOSED)
                assert before.facts.get(Fact.CONSENT) or not driven.plan.consent


def test_a_visit_has_one_encouragement_and_no_probe_after_the_answer(
    dialogues: list[Driven],
) -> None:
    for driven in dialogues:
        once = Counter[tuple[str, str, int]]()
        for each in driven.records:
            for row in {"encourage", "skip_mandatory"} & set(each.rows):
                once[row, Place.parse(each.phase).question, each.visit] += 1
        assert all(times == 1 for times in once.values()), once


def test_a_turn_keeps_its_place_in_the_dialogue_if_noise_is_inserted() -> None:
    noise = (happens(Event.OVERLAP), happens(Event.SECOND_PERSON), happens(Event.GRAB))
    for seed in SEEDS:
        rng = seeded(seed)
        plain, noisy = begun(), begun()
        for _ in range(40):
            each = any_input(rng)
            plain.give(each)
            noisy.give(rng.choice(noise), each)
        assert plain.state.place == noisy.state.place
        assert plain.state.standings == noisy.state.standings
        assert plain.state.facts == noisy.state.facts


def test_after_a_withdrawn_utterance_the_words_join_the_answer_before() -> None:
    plain, withdrawn = begun(TODAY), begun(TODAY)
    plain.give(say(Act.ANSWER))
    withdrawn.give(say(Act.ANSWER), happens(Event.WITHDRAWN), say(Act.ANSWER))
    assert withdrawn.state.place == plain.state.place
    assert withdrawn.state.standings == plain.state.standings
    assert len(withdrawn.state.answers["q1"]) == 2


@pytest.mark.parametrize("request_act", [a for a in Act if a is not Act.ANSWER])
def test_an_answer_with_a_request_counts_like_the_two_in_turn(request_act: Act) -> None:
    together, in_turn = begun(), begun()
    together.give(say(Act.ANSWER, 2, also=request_act))
    in_turn.give(say(Act.ANSWER, 2), say(request_act))
    assert together.state.standings == in_turn.state.standings


def test_resumptions_in_a_row_owe_the_same_as_one() -> None:
    resumed = happens(Event.RESUMED, Detail.CRASH)
    for seed in SEEDS:
        rng = seeded(seed)
        driven = begun()
        for _ in range(rng.randrange(1, 40)):
            driven.give(any_input(rng))
        before = driven.state
        one = driven.give(resumed)
        state = driven.state
        more = driven.give(resumed, resumed)
        # The first word may be "welcome back" once and "we were interrupted" afterwards.
        assert (more.to, more.moves[1:]) == (one.to, one.moves[1:])
        changed = {k for k, v in driven.state.counters.items() if before.counters.get(k, 0) != v}
        names = {key.partition("@")[0] for key in changed}
        assert names <= {"resumed", "silence", "cut"}
        assert driven.state.standings == state.standings


def test_records_of_another_table_fold_to_the_same_statuses(dialogues: list[Driven]) -> None:
    for driven in dialogues[:40]:
        stored = []
        for each in driven.records:
            data = to_json(each) | {"table": 0, "row": "a_row_of_before"}
            data["name"] = "SING" if each.kind == "turn" else "thunder"
            stored.append(from_json(data))
        state = fold_stored(reversed(stored))
        assert state.standings == driven.state.standings
        assert state.place == driven.state.place


SILENT: dict[str, Callable[[], Input]] = {
    "silence": lambda: happens(Event.NOINPUT),
    "echo": lambda: happens(Event.PROMPT_DONE, Detail.UNHEARD, 0.1),
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("noise", [None, Event.BABBLE, Event.ECHO])
def test_silence_babble_and_echo_alone_never_complete(name: str, noise: Event | None) -> None:
    driven = begun(TODAY)
    driven.give(say(Act.SKIP), HEARD, say(Act.SKIP))  # q2 is in the air
    for _ in range(200):
        heard = [HEARD] if name == "silence" and driven.state.place.phase is Phase.ASKING else []
        driven.give(*heard, *([happens(noise)] if noise else []), SILENT[name]())
        if driven.state.place.phase is Phase.FAREWELL:
            driven.give(happens(Event.QUIET))
    assert driven.state.place.kind in ("missed", "incomplete", "failed")


@pytest.mark.parametrize("given", [say(Act.STALL), happens(Event.OVERLAP), happens(Event.ECHO)])
def test_where_nothing_was_asked_for_nothing_is_said(given: Input) -> None:
    assert begun().give(given).moves == ()
    waiting = begun()
    waiting.give(say(Act.WAIT), HEARD)
    assert waiting.give(given).moves == ()


def test_places_follow_one_another(dialogues: list[Driven]) -> None:
    for driven in dialogues:
        for one, other in pairwise(driven.records):
            assert str(one.to) == other.phase
