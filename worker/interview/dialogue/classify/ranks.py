"""The precedence of the acts, and the acts that a phase or a position in a turn allows."""

from __future__ import annotations

from typing import Final

from worker.interview.dialogue.acts import Act

_A = Act
#: Of several requests in a turn the first of these counts.
ORDER: Final = (
    *(_A.WITHDRAW_CONSENT, _A.OBJECT_RECORDING, _A.POSTPONE, _A.STOP, _A.HUMAN),
    *(_A.CANNOT_HEAR, _A.PACE),
    *(_A.REPHRASE, _A.REPEAT, _A.CLARIFY, _A.NOT_UNDERSTOOD),
    *(_A.DISTRESS, _A.WAIT),
    *(_A.LATER, _A.SKIP, _A.GO_BACK),
    *(_A.ABOUT_DATA, _A.ABOUT_TIME, _A.ABOUT_RESULT, _A.ABOUT_JOB, _A.ABOUT_YOU),
    *(_A.NO_ANSWER, _A.DONE, _A.STALL, _A.READY),
)
#: After a `wait` these acts say what the candidate wants.
ASKED_AFTER_WAIT: Final = frozenset(ORDER) - {_A.NO_ANSWER, _A.DONE, _A.STALL, _A.READY, _A.WAIT}
#: A yes or no counts where nothing of `ORDER` is said. The first one counts.
SHORT_REPLIES: Final = (_A.AFFIRM, _A.DENY)
#: The acts that may follow an answer in the same turn.
AFTER_ANSWER: Final = frozenset(ORDER) - {_A.READY}
#: The acts that are said at the very end of a turn.
AT_THE_END: Final = frozenset({_A.DONE, _A.STALL, _A.NO_ANSWER})
#: The acts that need not span the whole sentence: after them the question is still open.
LOOSE: Final = frozenset(
    {
        *(_A.CANNOT_HEAR, _A.PACE, _A.REPHRASE, _A.REPEAT, _A.CLARIFY),
        *(_A.ABOUT_DATA, _A.ABOUT_TIME, _A.ABOUT_RESULT, _A.ABOUT_JOB, _A.ABOUT_YOU),
        *(_A.WAIT, _A.GO_BACK),
    }
)
#: The acts of a question of the plan.
_AT_QUESTION: Final = frozenset({_A.SKIP, _A.LATER, _A.NO_ANSWER, _A.GO_BACK, _A.STALL, _A.CLARIFY})
#: Acts that a phase rules out.
RULED_OUT: Final = {
    "GREETING": _AT_QUESTION,
    "SOUND_CHECK": _AT_QUESTION | {_A.DONE},
    "CONSENT": _AT_QUESTION - {_A.CLARIFY} | {_A.DONE},
    "CANDIDATE_QUESTIONS": _AT_QUESTION - {_A.GO_BACK, _A.STALL, _A.CLARIFY},
    "FAREWELL": _AT_QUESTION - {_A.GO_BACK, _A.CLARIFY},
}
