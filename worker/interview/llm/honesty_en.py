"""The words and patterns of `honesty.py` in English.

Doubtful words are refused: a refusal costs only one acknowledgement or one follow-up, and a false
statement about the interview cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from worker.interview.llm.words import any_of, word_set


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """The words of one language with which statements about the interview are recognized.

    All patterns but `possessive` and `marks` are searched in normalized words, with contractions
    spelled out.
    """

    #: Full form of each contraction, by the part of the contraction after the apostrophe.
    contractions: Mapping[str, str]
    #: The ending of a possessive, which looks like a contraction, in the original text.
    possessive: re.Pattern[str]
    #: Words with which the interviewer speaks of itself.
    first_person: re.Pattern[str]
    #: Phrases in which the interviewer may speak of itself, and of the answer in the present tense.
    polite: re.Pattern[str]
    #: Words that lead over to what comes next.
    leading_over: re.Pattern[str]
    #: Words with which the interviewer would answer a question or a request.
    agreeing: re.Pattern[str]
    #: Words that could be about the interview, who holds it, who hears it, and what is kept.
    interview: re.Pattern[str]
    #: Technical terms that `interview` would match by mistake.
    terms: re.Pattern[str]
    #: What the candidate did, at the begin of a part of a sentence, or a question about it.
    candidate_did: re.Pattern[str]
    #: Words with which a part of a sentence is about this conversation, whoever did what.
    here: re.Pattern[str]
    #: Words that stand for the candidate.
    candidate: re.Pattern[str]
    #: Words of the past tense.
    past: re.Pattern[str]
    #: Words of the present or future tense, and of the time that is to come.
    present: re.Pattern[str]
    #: Content words of questions that ask for more about any answer.
    probing: frozenset[str]
    #: Marks between the parts of a sentence, in the original text.
    marks: re.Pattern[str]
    #: Words between the parts of a sentence.
    joints: re.Pattern[str]


#: Words that may stand before what is really said.
_LEAD = (
    "(?:(?:and|so|okay|i see|then|now|well|when|where|how|why|what|once|because|after|before) )*"
)
_ASKED = "(?:what|which|how|why|when|where|who|whom|whose)"

ENGLISH = Honesty(
    contractions={
        "m": "am",
        "re": "are",
        "s": "is",
        "ve": "have",
        "ll": "will",
        "d": "would",
        "t": "not",
    },
    possessive=re.compile(
        r"(?<!\bit)(?<!\bhe)(?<!\bshe)(?<!\bthat)(?<!\bthis)(?<!\bthere)(?<!\bhere)(?<!\blet)"
        r"(?<!\bwhat)(?<!\bwho)(?<!\bone)(?<!body)(?<!thing)['\u2019]s\b"
    ),
    first_person=any_of("i|me|my|mine|myself|we|us|our|ours|ourselves"),
    polite=any_of(
        "i (?:see|understand|follow|appreciate)(?! (?:you|us|the|a|an) (?:is|are|am))",
        "i am (?:very |so )?(?:sorry|glad|happy) to (?:hear|read|learn)(?: (?:that|it))?",
        "i (?:can|could) (?:see|imagine|understand) (?:how|why|that)|i imagine",
        "i (?:wonder|want to (?:know|hear|understand))|i am (?:curious|interested|wondering)",
        "(?:i|we) would (?:\\w+ )?(?:like|love|want) to (?:know|hear|understand|learn)",
        "(?:tell|telling|told|give|gives|giving|gave|help|helps|helped|show|shows|showing|showed"
        "|shown|share with|shared with|sharing with|walk|walking|walked|take|took|taking) me",
        "let (?:us|is|me)(?: (?:now|then|next))*(?: (?:move|turn|go|come|look|talk|continue|stay"
        "|start|begin|think))?",
        "we (?:will|shall|can) (?:now |then |next )*(?:move|turn|go|come|look|continue|stay)",
        "(?:that|it|this) is (?:(?:a|an|very|really|quite|all|also|such) )*(?:clear|helpful|useful"
        "|interesting|important|concrete|practical|difficult|hard|challenging|careful|thoughtful"
        "|tricky|fine|nice|tough|kind|understandable|okay)",
    ),
    leading_over=any_of("let (?:us|is)|we (?:will|shall|can)"),
    agreeing=any_of(
        "^(?:(?:well|oh|okay|and|so|then|thank you|thanks) )*(?:yes|yeah|yep|nope|of course"
        "|no(?! (?:rush|hurry|worries|problem))"
        "|sure|surely|certainly|definitely|absolutely|correct|exactly|indeed|agreed|true|right"
        "|as you (?:wish|want|like|please)|very well|will do|gladly|affirmative|negative"
        "|not at all|never)",
        "(?:as|like|just as|what) you (?:asked|ordered|told|instructed|requested|wanted)",
    ),
    interview=any_of(
        "interview(?:s|er|ers|ed|ing)?|robots?|bots?|humans?|persons?|people|machines?",
        "computers?|(?:some|any|every|no)(?:one|body)|no one|programs?|software|algorithms?",
        "automatic(?:ally)?|record(?:s|ed|ing|ings)?|read(?:s|ing|er|ers)|listen(?:s|ed|ing|ers?)?",
        "hears|watch(?:es|ed|ing)?|stored|storing|sav(?:e|ed|es|ing)|delet(?:e|ed|es|ing)|kept",
        "keeps|transcri(?:be|bed|bes|pt|pts|ption|ptions)|archiv(?:e|ed)|private(?:ly)?",
        "confidential(?:ly)?|secret(?:ly)?|anonymous(?:ly)?|compan(?:y|ies)|firm|employers?",
        "recruiters?|hr|office|lunch|decision|decid(?:e|es)|answers?",
        "(?:questions?|minutes?|hours?) (?:\\w+ )?(?:left|remain(?:s|ing)?|to go)",
        "real (?:one|voice)|speak(?:s|ing)?|talk(?:s|ing)?",
    ),
    terms=any_of(
        "(?:virtual|state) machines?|machine learning|human (?:error|mistake|resources)",
        "human factors",
    ),
    candidate_did=any_of(
        f"^{_LEAD}(?:you|your)(?! (?:are|were|have been|got|will|can|may|speak|talk|hear)\\b)",
        f"^{_LEAD}{_ASKED}(?: \\w+){{0,6}} (?:did|do|would|were|have|had) you",
        "^(?:and )?(?:(?:can|could|would) you (?:please )?(?:say|tell|talk|walk|explain|describe)"
        "|(?:that|what|which|who|whom|where) you)",
        "^(?:thank you|thanks)(?: very much)? for (?:sharing|telling|your|the|saying|talking"
        "|explaining|describing|walking)",
    ),
    here=any_of(
        "i|we|us|our|my|am|is|are|being|will|shall|here|now|today|tonight|tomorrow|this|these",
        "know|knew|knows|aware|sure|believe|realized?|hear|heard|glad|worry|trust|have (?:no|all)",
        "you (?:have|had) (?:\\w+ ){0,3}(?:left|more|remaining)",
        "you (?:talk|talked|speak|spoke|chat|chatted|interviewed) (?:\\w+ )?(?:to|with) (?:a|an|no"
        "|some|any|real|nobody|someone|somebody"
        "|the (?:robot|human|machine|real|recruiter|interviewer|computer))",
    ),
    candidate=any_of("you|your|yours|yourself"),
    past=any_of(
        "\\w{2,}ed|was|were|did|had|went|broke|made|took|got|came|built|wrote|ran|led|kept|found"
        "|said|told|thought|lost|grew|fell|chose|brought|began|became|saw|gave|knew|meant|sold"
        "|spent|held|dealt|felt|met|taught|won|would|could",
    ),
    present=any_of(
        "am|is|are|being|will|shall|can|cannot|may|might|must(?! have)|going to|today",
        "you (?:have|receive|earn|start|begin|join) (?:\\w+ )?(?:\\d+|more|all|plenty|no|ten|two"
        "|three|five|time|until|on|the (?:job|offer|money))",
        "you get (?:\\d+|the|a|an|\\w+ (?:hundred|thousand))",
        "(?:this|that) (?!(?:makes|sounds|gives|seems|helps|shows|looks|is|was|has)\\b)\\w+s",
        "it (?:takes|lasts|costs|pays|ends|starts|stays|goes|opens|closes)",
        "tonight|tomorrow|next (?:day|week|month|year)|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    ),
    probing=word_set(
        "little more tell concrete specific specifically detail details example examples happen "
        "happened happens mean meant explain describe say said give elaborate expand walk through "
        "step steps next then reason reasons learn learned change changed differently approach "
        "approached situation part role help helped understand important difficult challenge "
        "challenging bit further another case moment mind look looked did went led thing things "
        "result turned turn hardest hard main share talk thinking thought decided notice noticed "
        "feel felt add anything like"
    ),
    marks=re.compile(r"[,;:()\u2013\u2014\u2026.!?]+|\s-+\s"),
    joints=re.compile(
        r"\b(?:and|but|or|so|that|because|although|though|while|whereas|if|since|when|until|as)\b"
    ),
)
