"""The moves: what the interviewer says.

A row of the table names moves. The words of a move come from the plan, or are a prepared line.
"""

from __future__ import annotations

from typing import Final

from states.text_enum import TextEnum


class Move(TextEnum):
    """One part of an utterance. Its text describes what is said, or is the sentence itself."""

    # Beginning
    GREET = "greet", "greeting of the plan"
    DISCLOSE = "disclose", "the disclosure of the plan"
    CHECK_SOUND = "check_sound", "Can you hear me well?"
    HEARING_HELP = "hearing_help", "what helps if the sound is bad"
    MICROPHONE = "microphone", "what is wrong with the microphone, and that typing works"
    ASK_CONSENT = "ask_consent", "the consent question of the plan"
    # Questions of the plan
    NEXT = "next", "the next question, or what follows the last one"
    ASK = "ask", "the question, for the first time in this visit"
    FULL = "full", "the question or probe again, verbatim"
    LAST = "last", "of the question or probe, only the sentence that asks"
    UNHEARD_PART = "unheard_part", "the part of the question or probe that was not heard"
    SLOWER = "slower", "the question or probe again, slower"
    REPHRASED = "rephrased", "the next rephrasing of the plan"
    CLARIFICATION = "clarification", "the clarification of the plan"
    PROBE = "probe", "the next probe of the plan"
    SAME = "same", "the interviewer's own question again"
    # Prepared lines
    ACKNOWLEDGE = "acknowledge", "a neutral acknowledgement"
    GO_ON = "go_on", "Please go on."
    GO_AHEAD = "go_ahead", "Please go ahead."
    TAKE_YOUR_TIME = "take_your_time", "Take your time."
    AS_YOU_UNDERSTAND = "as_you_understand", "Please answer it the way you understand it."
    LEAVE_OUT = "leave_out", "All right, we leave it out."
    COME_BACK = "come_back", "All right, we come back to it."
    SIMILAR_CASE = "similar_case", "A similar case, or how you would do it, is fine."
    THAT_IS_FINE = "that_is_fine", "That is fine."
    LEAVE_OPEN = "leave_open", "So I leave it open."
    LET_ME_FINISH = "let_me_finish", "Let me finish, then it is your turn."
    HEADPHONES = "headphones", "that headphones help against the echo"
    BACKGROUND = "background", "that there is noise in the background"
    TYPING = "typing", "that typing works too"
    NOT_CAUGHT = "not_caught", "I did not catch that."
    TIME_IS_UP = "time_is_up", "Thank you, let us go on."
    WELCOME_BACK = "welcome_back", "Welcome back."
    INTERRUPTED = "interrupted", "Sorry, we were interrupted."
    SOCIAL = "social", "one friendly line"
    FACT = "fact", "the fact of the plan, or the truthful default"
    NO_MORE_FACTS = "no_more_facts", "I know no more about it. I note it."
    AT_THE_END = "at_the_end", "that questions are answered at the end"
    NO_JUDGEMENT = "no_judgement", "the fact that fits, or that answers are not judged"
    PASS_ON = "pass_on", "I pass that on."
    ADDED = "added", "Thank you, I add that."
    # The interviewer's own questions
    REPEAT_IT = "repeat_it", "Shall I repeat it?"
    SKIP_ANYWAY = "skip_anyway", "A short answer is fine. Shall we skip it all the same?"
    SKIP_OR_LATER = "skip_or_later", "whether to leave the question out, or to come back later"
    SKIP_OR_TYPE = "skip_or_type", "that typing works, and whether to leave the question out"
    ARE_YOU_THERE = "are_you_there", "Are you there? Please check your microphone."
    ARE_YOU_READY = "are_you_ready", "Are you ready, or do you need a little longer?"
    OFFER_BREAK = "offer_break", "whether the candidate would like a break"
    OTHER_LANGUAGE = "other_language", "whether to go on in the language of the plan"
    READ_BACK = "read_back", "the answer, and whether it is right"
    CONFIRM_END = "confirm_end", "the question whether to end; its words depend on the kind of end"
    OFFER_QUESTIONS = "offer_questions", "What would you like to know, or add?"
    ANYTHING_ELSE = "anything_else", "Anything else?"
    # End
    GOODBYE = "goodbye", "the closing of the plan, or the goodbye of the outcome"
    SHORT_GOODBYE = "short_goodbye", "Goodbye."
    # How the utterance is delivered
    IN_WRITING = "in_writing", "the utterance is also written"


#: The moves that say a question or probe of the plan.
PROMPTS: Final = frozenset(
    {Move.ASK, Move.FULL, Move.UNHEARD_PART, Move.SLOWER, Move.REPHRASED, Move.PROBE}
)
#: The moves that say the question or probe again, as a whole or a part of it.
AGAIN: Final = frozenset({Move.LAST, Move.FULL, Move.SLOWER, Move.REPHRASED, Move.UNHEARD_PART})
#: Share of a prompt that must be heard before it counts as heard.
PROMPT_HEARD: Final = 0.8


def share_needed(moves: tuple[Move, ...]) -> float:
    """Return the share of an utterance that must be heard before it counts as heard."""
    if Move.DISCLOSE in moves:
        return 0.9
    return PROMPT_HEARD if PROMPTS.intersection(moves) else 0.5
