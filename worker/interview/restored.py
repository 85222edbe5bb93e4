"""The dialogue of an interview that earlier jobs have held, from what they have stored."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.journal_record import from_journal
from worker.interview.dialogue.records import Record
from worker.interview.earlier_turns import take_earlier
from worker.interview.tracker import DialogueTracker
from worker.interview.turn_codec import from_store

if TYPE_CHECKING:
    from worker.interview.plan.plan import Plan
    from worker.interview.turn import CommittedTurn
    from worker.store.turns import Turn

logger = logging.getLogger(__name__)


def restored(
    plan: Plan, turns: Sequence[Turn], dialogue: Iterable[tuple[str, Mapping[str, Any]]]
) -> DialogueTracker:
    """Return a tracker after the stored turns and dialogue records, which are given in order.

    `dialogue` has the journal records of the kind `dialogue`, each with its job's id. A turn
    without such records is one of an earlier version, an answer that its job did not finish, or an
    utterance that another decision has replaced. The last of these changes nothing, as in its own
    job. Of what a job has stored after it had lost its lease, only the candidate's words count.
    """
    tracker = DialogueTracker(plan)
    stored = list(dialogue)
    order = _merged([turn.job_id for turn in turns], [job_id for job_id, _ in stored])
    jobs: dict[str, list[tuple[int, Record | Turn | None]]] = {job_id: [] for job_id in order}
    for job_id, entry in stored:
        jobs[job_id].append((int(entry["seq"]), _record_in(entry)))
    for turn in turns:
        jobs[turn.job_id].append((turn.seq, turn))
    for entries in jobs.values():
        _restore_job(tracker, [each for _, each in sorted(entries, key=lambda entry: entry[0])])
    return tracker


def _merged(turns: Sequence[str], dialogue: Sequence[str]) -> list[str]:
    """Return the jobs of the turns and of the dialogue records, both of which are in order.

    A job may have records and no turn, for example if the candidate stayed away until its end.
    """
    found: list[str] = []
    left = list(dict.fromkeys(dialogue))
    for job_id in dict.fromkeys(turns):
        if job_id in left:
            place = left.index(job_id)
            found += left[:place]
            left = left[place + 1 :]
        found.append(job_id)
    return [*found, *left]


def _restore_job(tracker: DialogueTracker, entries: Sequence[Record | Turn | None]) -> None:
    """Apply what one job has stored. The records of a turn come directly before the turn.

    An entry is None for a record that cannot be read.
    """
    waiting: list[Record] = []
    late = records = unreadable = False
    for each in entries:
        if each is None:
            unreadable = True
            continue
        if isinstance(each, Record):
            records = True
            waiting.append(each)
            if not each.more.get("turn") and not late:
                tracker.restore(waiting, None)
                waiting = []
            continue
        turn = from_store(each)
        late = late or each.late
        if late:
            tracker.restore_late(waiting or _words_alone(tracker, turn), turn)
        elif waiting:
            tracker.restore(waiting, turn)
        elif turn.speaker == "candidate" or unreadable or not records:
            take_earlier(tracker, turn)
        waiting, unreadable = [], False
    (tracker.restore_late if late else tracker.restore)(waiting, None)


def _words_alone(tracker: DialogueTracker, turn: CommittedTurn) -> list[Record]:
    """Return a record of the words of a turn that has no dialogue records."""
    if turn.speaker != "candidate":
        return []
    return [
        Record(
            seq=tracker.next_number,
            kind="turn",
            name=Act.ANSWER,
            phase=str(tracker.state.place),
            question=turn.question_id or "",
            words=len(turn.text.split()),
            to=None,
        )
    ]


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
