"""Word lists and patterns that check a language model's words, one table for each language.

In a language without a table, only the plan's own words are spoken. Doubtful words of a model are
refused, because a refusal costs only one acknowledgement or one follow-up.

Every pattern is searched in normalized sentences, which contain only lowercase letters, digits and
single spaces, with contractions spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from worker.interview.llm.honesty_en import ENGLISH as HONESTY_IN_ENGLISH
from worker.interview.llm.honesty_en import Honesty
from worker.interview.llm.words import any_of, word_set


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The words of one language that ask, judge, promise, end the interview, or pry."""

    #: Full form of each contraction, by the part of the contraction after the apostrophe.
    contractions: Mapping[str, str]
    #: Words without content. Every sentence of the language has some of these words.
    function_words: frozenset[str]
    #: Content words that an acknowledgement may always use, even if the answer lacks these words.
    acknowledging: frozenset[str]
    #: First words of sentences that ask or order something.
    openers: frozenset[str]
    #: Phrases that ask or order something, anywhere in a sentence.
    asking: re.Pattern[str]
    #: Phrases that rate the candidate or the answer.
    verdict: re.Pattern[str]
    #: Phrases that declare the interview, or a part of the plan, to be over or left out.
    ending: re.Pattern[str]
    #: Phrases that say what the interviewer or the company will do.
    promise: re.Pattern[str]
    #: Topics that no interviewer may ask about.
    private: re.Pattern[str]
    #: Technical terms that `private` would match by mistake.
    terms: re.Pattern[str]
    #: Phrases about the model or its instructions.
    itself: re.Pattern[str]
    #: Words and patterns of statements about the interview (`honesty.py`).
    honesty: Honesty


_ENGLISH = Vocabulary(
    contractions=HONESTY_IN_ENGLISH.contractions,
    function_words=word_set(
        "a about after again all also am an and any are as at be because been before being both "
        "but by can could did do does doing done down each few first for from further get had has "
        "have having he her here him his how i if in into is it its just last let like make made "
        "makes me more most much my next no not now of off oh okay on once one only or other our "
        "out over own really right same see she should so some such sounds than thank thanks that "
        "the their them then there these they this those through to too tell understood until up "
        "us use used very was way we well were what when where which while who why will with "
        "would yes you your yours"
    ),
    acknowledging=word_set(
        "add added adds appreciate appreciated approach careful carefully challenge "
        "challenging choice clear clearly come concrete continue curious describe described "
        "describing detail detailed details difficult easy example examples experience "
        "explain explained explaining explanation follow forward glad good great hard hear "
        "heard hearing help helped helpful helps honest idea important interesting lesson let "
        "look made make makes mention mentioned mentioning mind move moving nice note noted "
        "onto part picture point points practical question read ready real reason said saw "
        "say seen sense share shared sharing situation sound sounded sounds start step steps "
        "story talk tell telling thing things think thinking thought thoughtful topic tricky "
        "turn useful walked walking wise words work worked working "
        "give gives giving sorry time rush hurry worry pause breath tough patience effort kind "
        "openness honesty fine problem must answer answers understand take"
    ),
    openers=word_set(
        "what how why when where who whom whose which do does did is are was were am can could "
        "would will shall should have has had may might must tell describe explain give name list "
        "show walk talk share imagine suppose say answer think please consider"
    ),
    asking=any_of(
        "(?:what|how|why|when|where|who|which) (?:do|does|did|is|are|was|were|would|will|can|could"
        "|should|have|has|had)",
        "(?:do|does|did|can|could|would|will|have|had|are|were|should|might) you",
        "(?:tell|describe|explain|walk|talk|show|give|name|share)(?: it)?(?: to| with)? (?:me|us)",
        "(?:i|we) would (?:\\w+ )?(?:like|love|want)",
        "i wonder|i want to (?:know|hear)|i am (?:curious|wondering)|question (?:is|would be)",
    ),
    verdict=any_of(
        "pass(?:ed|es|ing)?|hir(?:e|ed|es|ing)|reject(?:ed|s|ing|ion)?|scor(?:e|ed|es|ing)",
        "grad(?:e|ed|es|ing)|rat(?:ed|ing)|qualif(?:y|ied|ies)|unqualified|shortlist(?:ed)?",
        "recommend(?:ed|ation)?|evaluat(?:e|ed|ion)|assess(?:ed|ment)?|accepted|selected",
        "(?:un)?successful|congratulations|congrats|well done|bravo|impressed|impressive",
        "(?:job|an) offer|the (?:job|position|role)|next (?:round|stage)|candidates?",
        "(?:great|good|best|excellent|perfect|brilliant|amazing|fantastic|outstanding|correct"
        "|right|wrong|incorrect|bad|poor|weak|strong|solid) (?:answers?|responses?|repl(?:y|ies)"
        "|work|fit|points?|start|choice)",
        "(?:that|this|it|answer|which) (?:is|was) (?:\\w+ )?(?:correct|incorrect|right|wrong"
        "|perfect|excellent|great|brilliant|bad|poor|weak|false|true)",
        "you (?:\\w+ ){0,3}(?:fail|failed|win|won|did well|got it|lied?)",
        "you are (?:\\w+ )?(?:right|wrong|correct|in|out|good|great|perfect|strong|weak|top|not)",
        "what we (?:are looking|look|want|need)|we want you|employ(?:ed)?",
        "(?:on|in|of|to|join) (?:the|our) team|made the (?:cut|grade|team|list)",
        "you (?:\\w+ )?made it(?! \\w)|(?:did|do|done) (?:\\w+ )?well|you are through",
        "impressions?|better than|deserv(?:e|ed|es)|(?:want|lik|cho?os|lov)(?:e|s|es|ed)? you",
        "spot on|flawless(?:ly)?|(?:not|no|never) (?:\\w+ )?good|(?:too|so) (?:good|bad|slow|weak)",
        "performers?|your (?:performances?|results?)|made it (?:to|through|in)|good enough",
        "round (?:one|two|three|\\d+)|welcome (?:to|aboard|on board)",
        "(?:ten|five|\\d+) out of (?:ten|five|\\d+)",
        "nailed|aced|crushed|smashed|superb(?:ly)?|terrible|terribly|awful|wonderful(?:ly)?",
        "outstanding|exceptional(?:ly)?|incredible|incredibly|perfectly|excellent(?:ly)?|terrific",
        "amazing(?:ly)?|fantastic|brilliant(?:ly)?|remarkabl[ey]|stellar|i (?:love|like|hate)",
    ),
    ending=any_of(
        "(?:interview|conversation|session|call|meeting|talk) (?:\\w+ ){0,4}(?:over|end|ends|ended"
        "|ending|finished|completed?|done|concluded|concludes|closed|stops?|stopped)",
        "(?:end|finish|conclude|close|stop)(?:s|ed|es|ing|ping)? (?:of )?(?:the|this|our|your) "
        "(?:interview|conversation|session|call|meeting|talk)",
        "(?:concluding|closing) (?:of )?(?:the|this|our|your) (?:interview|conversation|session)",
        "(?:it|this|that|all|everything) (?:is|was) (?:\\w+ )?(?:over|finished)",
        "reach(?:ed)? the end|the last (?:of (?:it|this|them)|one)",
        "(?:we|you) (?:are|have) (?:\\w+ )?(?:done|finished|through|over|reached the end)",
        "(?:end|stop|finish|conclude) (?:it )?here|that (?:is|was) (?:all|everything|it)",
        "(?:we|you|i) (?:can|may|could|should|must|might) (?:\\w+ )?(?:stop|leave|go|end|finish"
        "|hang up|log off)|nothing (?:more|else|further)|all set|for your time|concludes?",
        "good ?bye|bye|farewell|see you (?:later|soon|around|again|next)|take care",
        "have a (?:\\w+ )?(?:day|evening|one)",
        "(?:last|final) question|no (?:more|further|other) (?:questions?|to ask)",
        "(?:do|does|need|have) not (?:\\w+ ){0,3}(?:answer|continue|go on|need)|not needed",
        "(?:the )?rest of (?:the|this|our|it)|no need",
        "wrap(?:ping|ped)? (?:\\w+ )?up|skip(?:ped|ping|s)?|leave out|left out|ignor(?:e|ed|ing)",
    ),
    promise=any_of(
        "(?:i|we) (?:will|shall|am going to|are going to)(?! (?:now |then |next )*(?:move|turn|go"
        "|come|look|talk|continue|stay|start|begin))",
        "promis(?:e|ed|es)|guarantee[ds]?|assure[ds]?|commit to",
        "salary|salaries|bonus|pay rise|start(?:ing)? date|contract",
        "(?:contact|call|write to|email|get back to|hear from|notify|inform) (?:you|us)",
        "let you know|feedback",
    ),
    private=any_of(
        "how old|old are you|your age|age|aged|birth ?(?:day|date|place|year)|born|young|elderly",
        "religio(?:n|us)|church|mosque|synagogue|temple|pray(?:er|ers|s|ed)?|faith|god|christian"
        "|muslim|islam|jewish|hindu|buddhist|atheist",
        "health|healthy|illness|ill|sick|sickness|disease|disabilit(?:y|ies)|medical|medication"
        "|medicine|therapy|therapist|doctor|depression|pregnan(?:t|cy)|cancer|mental",
        "famil(?:y|ies)|children|kids?|baby|wife|husband|spouse|married|marriage|marital|divorced?"
        "|girlfriend|boyfriend|mother|father|your (?:partner|parents?|child)",
        "race|racial|ethnic(?:ity)?|nationality|citizenship|citizen|passport|immigra(?:nt|tion)"
        "|your accent|skin colou?r|native (?:country|language)|where are you from",
        "marry|sex|sexual(?:ity)?|gay|lesbian|transgender|gender|orientation",
        "politic(?:s|al)|vot(?:e|ed|ing)|trade union|union member",
        "criminal|arrest(?:ed)?|convict(?:ed|ion)|prison|alcohol|drugs?",
        "(?:home|your|postal|street) address|(?:phone|mobile|telephone|bank|social security)"
        " (?:number|account)|do you live|you live (?:in|at|now|alone|with)",
        "(?:you|do you) (?:\\w+ )?(?:earn|earned|make a (?:month|year))|your (?:income|wage|pay)"
        "|paid (?:now|there)|which country|what country",
    ),
    terms=any_of(
        "(?:data )?race conditions?|data races?|health (?:checks?|endpoints?|probes?)",
        "healthchecks?|quorum vot(?:e|es|ing)|god objects?|famil(?:y|ies) of",
    ),
    honesty=HONESTY_IN_ENGLISH,
    itself=any_of(
        "acknowledge|system prompt|prompts?|instructions?|language model|chatbot|assistant",
        "(?:an|as|this|the) ai|artificial intelligence|openai|chatgpt|gpt|a good answer",
    ),
)

#: The tables, by the primary subtag of the plan's language.
VOCABULARIES: Mapping[str, Vocabulary] = {"en": _ENGLISH}


def vocabulary_of(language: str) -> Vocabulary | None:
    """Return the table for a BCP 47 tag such as en-GB; None if the language has no table."""
    return VOCABULARIES.get(language.partition("-")[0].lower())
