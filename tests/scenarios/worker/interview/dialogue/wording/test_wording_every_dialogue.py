"""What holds for the words of every whole dialogue, with a hostile candidate."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import islice

import pytest

from tests.support.dialogues import hostile, seeded
from tests.support.spoken_dialogues import PLAN, Speaking, plan_with, speakable
from worker.interview.dialogue.moves import PROMPTS, Move
from worker.interview.dialogue.records import from_json, to_json
from worker.interview.dialogue.wording.replay import prompts_of, spoken_after

#: The moves that say a prompt of the plan as a whole.
WHOLE = PROMPTS - {Move.UNHEARD_PART}
SEEDS = range(60)


@cache
def talked(seed: int, plan: object = PLAN, most: int = 150) -> Speaking:
    """Return a dialogue with a hostile candidate. The tests only read it."""
    rng = seeded(seed)
    dialogue = Speaking(plan)  # type: ignore[arg-type]  # a plan
    said = ("", "Sorry?", "the question", "Who reads it?", "the salary", "012 345", "<b>")
    dialogue.until_asked("q1")
    for given in islice(hostile(rng), most):
        dialogue.hear(given, rng.choice(said))
        if dialogue.ended:
            break
    return dialogue


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hostile_candidate_hears_only_words_that_can_be_spoken(seed: int) -> None:
    dialogue = talked(seed)
    for record, prompt in zip(dialogue.records, dialogue.prompts, strict=True):
        assert bool(prompt.parts) is bool(record.moves), record
        assert not prompt.parts or speakable(prompt), (record, prompt)


def test_a_plan_of_today_has_words_for_a_hostile_candidate() -> None:
    questions = [
        {"id": "q1", "text": "Tell me about a project.", "follow_ups": ["And then?"]},
        {"id": "q2", "text": "Why?"},
    ]
    plan = plan_with(questions=questions, consent=None, candidate_questions=None, facts=None)
    for seed in SEEDS:
        for prompt in talked(seed, plan).prompts:
            assert not prompt.parts or speakable(prompt), prompt


def test_a_question_probe_or_rephrasing_always_has_the_same_words() -> None:
    words = defaultdict(set)
    for seed in SEEDS:
        for prompt in talked(seed).prompts:
            for part in prompt.parts:
                if part.move in WHOLE and part.id.partition(":")[0] != "line":
                    words[part.id].add(part.text)
    texts = {f"question:{question.id}": {question.text} for question in PLAN.questions}
    assert words["question:q1"] == texts["question:q1"]
    assert {name: said for name, said in words.items() if len(said) > 1} == {}
    assert {name: words[name] for name in texts} == texts


def test_each_prompt_of_the_plan_must_be_heard_as_a_whole() -> None:
    for seed in SEEDS:
        for prompt in talked(seed).prompts:
            asked = [part for part in prompt.parts if part.move in PROMPTS]
            if asked:
                assert (prompt.asking, prompt.prompt) == (asked[-1].text, asked[-1].id)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_records_give_the_same_words_again(seed: int) -> None:
    dialogue = talked(seed)
    stored = [from_json(to_json(record)) for record in dialogue.records]
    again = [prompt for prompt, _ in prompts_of(stored, PLAN)]
    assert again == dialogue.prompts
    assert spoken_after(stored, PLAN) == dialogue.spoken
