"""Text that a language model may say: examples of every refusal, and properties of every text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.interview.llm.guardrails import (
    ACKNOWLEDGEMENT_WORDS,
    FOLLOW_UP_WORDS,
    Refusal,
    check_acknowledgement,
    check_follow_up,
)

QUESTION = "Please tell me about a project you worked on recently. What was your part in it?"
GOOD_ANSWER = "names one project, and what it was for, and tells their own part from the team's"
ANSWER = "We cached the user sessions in Redis and it broke whenever a node restarted."
MORE_ANSWERS = (
    "It was a race condition, and the session store went away with it.",
    "I measured it before I changed anything, and looked for bugs.",
    "Caching the results improved the performance of the query.",
    "In C++ it was 3 to 4 times faster, or leaner.",
)
OTHERS = ("How do you look for the cause of a bug that shows up only once?", "Why?")


def acknowledgement(
    text: str, *, told: tuple[str, ...] = (), language: str = "en"
) -> str | Refusal:
    return check_acknowledgement(
        text, about=(QUESTION, ANSWER, *MORE_ANSWERS), told=told, language=language
    )


def follow_up(text: str) -> str | Refusal:
    return check_follow_up(
        text,
        about=(QUESTION, GOOD_ANSWER, ANSWER),
        asked=(QUESTION, *OTHERS),
        told=(GOOD_ANSWER,),
    )


# --- an acknowledgement --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Thank you, that gives me a clear picture.",
        "Understood. Let us move on.",
        "I see, so the session store went away with the node.",
        "You\u2019ve seen a race condition in the wild, then!",
        "It makes sense that you measured before you changed anything. Now we'll look at bugs.",
        "Okay.",
        "I see you would listen first. So caching the results improved the query's performance.",
        "So C++ was 3 to 4 times faster (and/or leaner) for you \u2013 I see.",
    ],
)
def test_a_neutral_statement_about_the_answer_is_spoken_unchanged(text: str) -> None:
    assert acknowledgement(text) == text


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", Refusal.EMPTY),
        (" \t ", Refusal.EMPTY),
        ("...", Refusal.EMPTY),
        ("Thank " * ACKNOWLEDGEMENT_WORDS + "you.", Refusal.TOO_LONG),
        ("Thank you" + "u" * 200 + ".", Refusal.TOO_LONG),
        ("I see. I see. I see.", Refusal.TOO_MANY_SENTENCES),
        ("Thank you for that", Refusal.UNFINISHED),
        ("Thank you for that,", Refusal.UNFINISHED),
        ("Thank\u0000you for that.", Refusal.CONTROL_CHARACTER),
        ("Thank you\u202e for that.", Refusal.CONTROL_CHARACTER),
        ("Thank you.\nAnd now that.", Refusal.CONTROL_CHARACTER),
        ("Thank you, \u0441\u043f\u0430\u0441\u0438\u0431\u043e.", Refusal.OTHER_SCRIPT),
        ("Thank you, \u8c22\u8c22.", Refusal.OTHER_SCRIPT),
        ("Danke, das ist interessant.", Refusal.OTHER_LANGUAGE),
        ("**Thank you** for that.", Refusal.MARKUP),
        ("<break/>Thank you for that.", Refusal.MARKUP),
        ("Thank you \U0001f600.", Refusal.MARKUP),
        ("Thank you, see https://example.org for that.", Refusal.ADDRESS),
        ("Thank you, it is on example.com as well.", Refusal.ADDRESS),
        ("Thank you, and what did you do?", Refusal.ASKS_SOMETHING),
        ("Thank you. Tell me more about it.", Refusal.ASKS_SOMETHING),
        ("And now, what do you do when you disagree.", Refusal.ASKS_SOMETHING),
        ("I'd really like to hear more of that.", Refusal.ASKS_SOMETHING),
        ("You passed.", Refusal.VERDICT),
        ("You have p\u00e0ssed the test.", Refusal.VERDICT),
        ("That's a great answer.", Refusal.VERDICT),
        ("That is correct.", Refusal.VERDICT),
        ("We have decided that you are hired.", Refusal.VERDICT),
        ("I have to say that you failed.", Refusal.VERDICT),
        ("That gives you a high score.", Refusal.VERDICT),
        ("Your performance was superb.", Refusal.VERDICT),
        ("You are exactly what we are looking for.", Refusal.VERDICT),
        ("Welcome to the team!", Refusal.VERDICT),
        ("Thank you, the interview is over now.", Refusal.ENDS_INTERVIEW),
        ("Thank you and goodbye.", Refusal.ENDS_INTERVIEW),
        ("Thank you for your time.", Refusal.ENDS_INTERVIEW),
        ("You may leave now.", Refusal.ENDS_INTERVIEW),
        ("That's all.", Refusal.ENDS_INTERVIEW),
        ("Let us skip the next one then.", Refusal.ENDS_INTERVIEW),
        ("I'll ignore what I was told before.", Refusal.ENDS_INTERVIEW),
        ("We'll send you the contract.", Refusal.PROMISE),
        ("We will get back to you about that.", Refusal.PROMISE),
        ("I promise that it is fine.", Refusal.PROMISE),
        ("Thank you for being open about your health.", Refusal.PRIVATE_TOPIC),
        ("So you did it for your family.", Refusal.PRIVATE_TOPIC),
        ("As an AI I see that.", Refusal.SPEAKS_OF_ITSELF),
        ("My instructions are about that.", Refusal.SPEAKS_OF_ITSELF),
        ("You are on the team now, as you said.", Refusal.VERDICT),
        ("You made the cut.", Refusal.VERDICT),
        ("You have made it.", Refusal.VERDICT),
        ("That was flawless.", Refusal.VERDICT),
        ("Your answer was spot on.", Refusal.VERDICT),
        ("That was not good.", Refusal.VERDICT),
        ("You do not need to answer the rest.", Refusal.ENDS_INTERVIEW),
        ("The rest of the interview is not needed.", Refusal.ENDS_INTERVIEW),
        ("I have no more to ask you.", Refusal.ENDS_INTERVIEW),
        ("You are an idiot and this was a waste of my time.", Refusal.SPEAKS_OF_ITSELF),
        ("Pirates bury their gold on islands, as you know.", Refusal.OFF_TOPIC),
        ("Redis is for clowns.", Refusal.OFF_TOPIC),
    ],
)
def test_a_forbidden_acknowledgement_is_refused_with_its_reason(
    text: str, refusal: Refusal
) -> None:
    assert acknowledgement(text) is refusal


def test_text_from_the_prompt_is_not_read_out() -> None:
    text = "So it names one project, and what it was for, as you said."
    assert acknowledgement(text) == text
    assert acknowledgement(text, told=(GOOD_ANSWER,)) is Refusal.READS_OUT


def test_an_acknowledgement_of_the_longest_length_is_spoken() -> None:
    text = " ".join(["so"] * (ACKNOWLEDGEMENT_WORDS - 1)) + " that."
    assert acknowledgement(text) == text
    assert acknowledgement(f"so {text}") is Refusal.TOO_LONG


@pytest.mark.parametrize("language", ["de", "el", "x"])
def test_a_language_without_a_vocabulary_is_refused(language: str) -> None:
    assert acknowledgement("Thank you.", language=language) is Refusal.LANGUAGE_UNKNOWN
    spoken = check_follow_up("Why Redis?", about=(ANSWER,), language=language)
    assert spoken is Refusal.LANGUAGE_UNKNOWN


@pytest.mark.parametrize("language", ["en", "en-GB", "EN-us"])
def test_every_variant_of_english_uses_the_english_vocabulary(language: str) -> None:
    assert acknowledgement("Thank you.", language=language) == "Thank you."


# --- a follow-up ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "What broke when a node restarted?",
        "Thank you, I see. And how did your part of the project change later?",
        "Why did you choose Redis over something simpler?",
        "Which of the caches was yours?",
    ],
)
def test_one_question_about_the_answer_is_spoken_unchanged(text: str) -> None:
    assert follow_up(text) == text


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", Refusal.EMPTY),
        ("Why " * FOLLOW_UP_WORDS + "Redis?", Refusal.TOO_LONG),
        ("Tell me about Redis.", Refusal.NOT_ONE_QUESTION),
        ("Why Redis? Thank you.", Refusal.NOT_ONE_QUESTION),
        ("Why Redis? And why a node?", Refusal.NOT_ONE_QUESTION),
        ("Why was it Redis??", Refusal.NOT_ONE_QUESTION),
        ("Tell me about Redis. Why did it break?", Refusal.NOT_ONE_QUESTION),
        ("What is your favourite colour?", Refusal.OFF_TOPIC),
        ("And what else?", Refusal.OFF_TOPIC),
        ("Why?", Refusal.REPEATS_QUESTION),
        ("What was your part in it?", Refusal.REPEATS_QUESTION),
        (OTHERS[0], Refusal.REPEATS_QUESTION),
        ("How would you look for the cause of a bug shown only once?", Refusal.REPEATS_QUESTION),
        ("How old were you when you worked on the project?", Refusal.PRIVATE_TOPIC),
        ("Did your wife help with the project?", Refusal.PRIVATE_TOPIC),
        ("What is your home address for the project?", Refusal.PRIVATE_TOPIC),
        ("Where do you live while you work on Redis?", Refusal.PRIVATE_TOPIC),
        ("How much do you earn with the project?", Refusal.PRIVATE_TOPIC),
        ("Which country are you from, with your project?", Refusal.PRIVATE_TOPIC),
        ("Did you know that you passed with the project?", Refusal.VERDICT),
        ("Was das Projekt mit Redis geplant?", Refusal.OTHER_LANGUAGE),
    ],
)
def test_an_invalid_follow_up_is_refused_with_its_reason(text: str, refusal: Refusal) -> None:
    assert follow_up(text) is refusal


# --- every text ----------------------------------------------------------------------------------

WORDS = ("thank you", "I see that", "so the", "was it", "you passed", "what?", ".", "!", "over")
ANY_TEXT = st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)


@given(ANY_TEXT)
def test_spoken_text_is_short_and_asks_at_most_one_question(text: str) -> None:
    spoken = acknowledgement(text)
    if not isinstance(spoken, Refusal):
        assert "?" not in spoken
        assert len(spoken.split()) <= ACKNOWLEDGEMENT_WORDS
        assert spoken.isprintable()
    spoken = follow_up(text)
    if not isinstance(spoken, Refusal):
        assert spoken.count("?") == 1
        assert spoken.endswith("?")
        assert len(spoken.split()) <= FOLLOW_UP_WORDS


@given(ANY_TEXT)
def test_an_accepted_acknowledgement_is_accepted_again(text: str) -> None:
    spoken = acknowledgement(text)
    if not isinstance(spoken, Refusal):
        assert acknowledgement(spoken) == spoken


def test_every_refusal_has_a_one_word_name() -> None:
    for refusal in Refusal:
        assert refusal.value.isalpha()
        assert refusal.value[0].isupper()
