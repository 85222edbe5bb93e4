"""What became of each question of an interview, from its stored dialogue records and turns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.journal_record import from_journal

if TYPE_CHECKING:
    from worker.interview.dialogue.records import Record
    from worker.store.turns import Turn

logger = logging.getLogger(__name__)

#: Fields of a turn's number: the job, and the turn's position in the journal of that job.
_NUMBER: Final = ("job_id", "seq")


def questions_of(
    plan: Mapping[str, Any],
    turns: Sequence[Turn],
    dialogue: Iterable[tuple[str, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Return each question of the plan with its status and answer, as data for JSON.

    `plan` is the stored plan, and `dialogue` has the journal records of the kind `dialogue`, each
    with its job's id, in order. `status` and `reason` say what became of the question. `answer`
    joins the words of all turns that belong to it, without the requests in them, and `turns` has
    the numbers of these turns. The list is empty if the interview has no dialogue records, as one
    that version 0.1.0 has held.
    """
    records = [(job_id, int(entry["seq"]), _record_in(entry)) for job_id, entry in dialogue]
    known = [(job_id, seq, record) for job_id, seq, record in records if record is not None]
    if not known:
        return []
    standings = fold(record for _, _, record in known).standings
    answers = _answers(turns, known)
    found = []
    for question in _questions(plan):
        standing = standings.get(str(question["id"]))
        parts = answers.get(str(question["id"]), [])
        found.append(
            {
                "question_id": question["id"],
                "text": question.get("text"),
                "status": str(standing.status) if standing is not None else "not_reached",
                "reason": (standing.reason if standing is not None else "") or None,
                "answer": " ".join(words for _, words in parts) or None,
                "turns": [{name: getattr(turn, name) for name in _NUMBER} for turn, _ in parts],
            }
        )
    return found


def _questions(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the questions of a stored plan. A plan of another version may have another form."""
    stored = plan.get("questions")
    each = stored if isinstance(stored, list) else []
    return [question for question in each if isinstance(question, Mapping) and "id" in question]


def _record_in(entry: Mapping[str, Any]) -> Record | None:
    try:
        return from_journal(entry)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning(
            "a stored dialogue record cannot be read: %s",
            type(error).__name__,
            extra={"event": "dialogue_record_unreadable"},
        )
        return None


def _answers(
    turns: Sequence[Turn], records: Sequence[tuple[str, int, Record]]
) -> dict[str, list[tuple[Turn, str]]]:
    """Return the turns that belong to each question, each with its words of the answer.

    The records of a turn come directly before the turn in the journal of the job. A turn without
    records is a partial answer that its job did not finish.
    """
    said: dict[str, list[tuple[Turn, str]]] = {}
    of_job: dict[str, list[tuple[int, Record]]] = {}
    for job_id, seq, record in records:
        if record.more.get("turn"):
            of_job.setdefault(job_id, []).append((seq, record))
    before: dict[str, int] = {}
    for turn in turns:
        first, before[turn.job_id] = before.get(turn.job_id, -1), turn.seq
        if turn.speaker != "candidate":
            continue
        own = [each for seq, each in of_job.get(turn.job_id, ()) if first < seq < turn.seq]
        belongs = {record.question: _answer_in(turn.text, record) for record in own if record.words}
        if not own and turn.question_id is not None:
            belongs = {turn.question_id: turn.text}
        for question, words in belongs.items():
            if question and words.strip():
                said.setdefault(question, []).append((turn, words.strip()))
    return said


def _answer_in(text: str, record: Record) -> str:
    """Return the words of a turn before its request; all words if the turn has no request."""
    begins = record.more.get("also_from")
    return text[:begins] if record.also and isinstance(begins, int) else text
