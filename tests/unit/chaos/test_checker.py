"""The checker of a chaos run on synthetic evidence: every violation is found, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import judge
from tests.chaos.diary import Answer, Asked, Diary, Listener
from tests.chaos.evidence import Evidence, InterviewRow, Journal, RoundEvidence, Struck, TurnRow
from tests.chaos.spans import Span
from tests.chaos.verdict import Limits, Verdict

WORDS = {"one": ("tiger", "piano"), "two": ("river", "guitar")}
#: Start time of all evidence below, in seconds since the epoch.
T = 1_000_000.0
FIRST, SECOND = "interviewer-AJ_1", "interviewer-AJ_2"


def span(start_s: float, end_s: float) -> Span:
    return Span(start_s=T + start_s, end_s=T + end_s)


def answer(question_id: str, start_s: float, end_s: float, *, complete: bool = True) -> Answer:
    return Answer(
        question_id=question_id,
        words=WORDS[question_id],
        start_s=T + start_s,
        end_s=T + end_s,
        complete=complete,
    )


def said(at_s: float, text: str, seq: int = 0, **fields: Any) -> TurnRow:
    """Return a turn of the candidate."""
    seq = seq or round(at_s)
    row = TurnRow(job_id="AJ_1", seq=seq, at_s=T + at_s, speaker="candidate", text=text)
    return replace(row, **fields)


def struck(kind: str, start_s: float, end_s: float, **fields: Any) -> Struck:
    return Struck(kind=kind, target="0", span=span(start_s, end_s), hit=True, **fields)


def healthy() -> Evidence:
    """Return the evidence of a healthy interview: two questions, two answers, an end."""
    diary = Diary(
        interview_id="iv",
        room="room",
        began_s=T,
        ended_s=T + 25,
        visits=[span(0, 25)],
        voices={FIRST: [span(1, 5), span(10, 13), span(19, 22)]},
        asked=[Asked(question_id="one", at_s=T + 5), Asked(question_id="two", at_s=T + 13)],
        answers=[answer("one", 6, 8.5), answer("two", 14, 16.5)],
        closing_s=T + 22,
    )
    turns = [said(9, "I would choose the tiger and the piano."), said(17, "River and guitar.")]
    records = [
        {"seq": 0, "kind": "job", "room": "room"},
        *({"seq": turn.seq, "kind": "turn", "speaker": turn.speaker} for turn in turns),
    ]
    return Evidence(
        diary=diary,
        words=WORDS,
        answers={
            name: f"I would choose the {a}, and after that the {b}."
            for name, (a, b) in WORDS.items()
        },
        row=InterviewRow(
            status="ended",
            outcome="completed",
            reason="InterviewCompleted",
            token=1,
            lease_job=None,
        ),
        turns=turns,
        shown=(),
        stored={"AJ_1": 3},
        journals=[Journal(job_id="AJ_1", path="AJ_1.jsonl", shipped=True, records=tuple(records))],
    )


def round_of(one: Evidence, *faults: Struck, **fields: Any) -> RoundEvidence:
    one = replace(one, shown=[turn.text for turn in one.turns])
    return RoundEvidence(number=1, interviews=[one], struck=faults, **fields)


def judged(one: Evidence, *faults: Struck, **fields: Any) -> Verdict:
    return judge(round_of(one, *faults, **fields))


def found(one: Evidence, *faults: Struck) -> list[str]:
    return [each.what for each in judged(one, *faults).violations]


def with_diary(one: Evidence, **fields: Any) -> Evidence:
    return replace(one, diary=replace(one.diary, **fields))


def test_a_healthy_interview_is_clean() -> None:
    verdict = judged(healthy())
    assert verdict.violations == ()
    assert (verdict.answers, verdict.unheard) == (2, 0)
    assert verdict.ends == ("completed/InterviewCompleted",)
    assert verdict.silences_s == ((2.5, 2.5),)


def test_what_is_found_names_the_interview_the_time_and_the_fault_before_it() -> None:
    one = replace(healthy(), turns=healthy().turns[1:], journals=[])
    (first, second) = judged(
        one, struck("kill-job", 7, 7), struck("slow-provider", 20, 22)
    ).violations
    assert (first.what, first.interview_id, first.at_s) == ("lost", "iv", 8.5)
    assert first.after == "kill-job 0 at 7.0 s"
    assert first.detail == "word 1 of 2 of the answer to 'one'"
    assert second.detail == "word 2 of 2 of the answer to 'one'"


# --- turns ----------------------------------------------------------------------------------------


def test_half_an_answer_that_was_recorded_is_half_an_answer_lost() -> None:
    turns = [said(9, "I would choose the tiger."), healthy().turns[1]]
    assert found(replace(healthy(), turns=turns)) == ["lost"]


def test_an_answer_in_two_turns_is_whole() -> None:
    turns = [said(8, "The tiger."), said(9, "And the piano."), healthy().turns[1]]
    one = replace(healthy(), turns=turns, journals=[])
    assert found(one) == []


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        ("I would choose the liger. And so, and after that the piano.", []),
        ("I would choose upon, and after that the piano.", []),
        ("I would choose the, and after that the piano.", ["lost"]),
        ("So, and after that the piano.", ["lost"]),
        ("and after that the piano.", ["lost"]),
        ("I would choose the tiger, and.", ["lost"]),
        ("Thank you.", ["lost", "lost"]),
    ],
)
def test_a_word_with_another_in_its_place_was_misheard_and_one_without_was_lost(
    text: str, violations: list[str]
) -> None:
    one = replace(healthy(), turns=[said(9, text), healthy().turns[1]])
    assert found(one) == violations
    assert judged(one).misheard == (not violations)


def test_a_half_answer_that_is_shown_is_not_lost() -> None:
    half = said(9, "I would choose the tiger and the piano.", interrupted=True)
    assert found(replace(healthy(), turns=[half, healthy().turns[1]])) == []


def test_an_answer_that_was_given_to_nobody_is_not_lost() -> None:
    one = replace(healthy(), turns=healthy().turns[1:], journals=[])
    assert found(one, struck("kill-livekit", 7, 8)) == []
    away = with_diary(one, visits=[span(0, 7), span(9, 25)])
    assert found(away) == []
    cut_off = with_diary(one, answers=[answer("one", 6, 7, complete=False), one.diary.answers[1]])
    assert found(cut_off) == []


def test_an_answer_that_was_spoken_haltingly_proves_nothing() -> None:
    one = replace(healthy(), turns=healthy().turns[1:], journals=[])
    halting = replace(one.diary.answers[0], late_frames=12)
    verdict = judged(with_diary(one, answers=[halting, one.diary.answers[1]]))
    assert (verdict.violations, verdict.halting) == ((), 1)


def test_the_last_answer_of_an_interview_that_ended_with_it_is_not_held_against_anybody() -> None:
    one = replace(healthy(), turns=healthy().turns[:1], journals=[])
    assert found(with_diary(one, closing_s=None)) == []
    assert found(one) == ["lost", "lost"]


def test_words_that_are_recorded_more_often_than_they_were_said_are_doubled() -> None:
    turns = [*healthy().turns, said(18, "The tiger again.", seq=99)]
    assert found(replace(healthy(), turns=turns)) == ["doubled"]


def test_words_that_were_said_twice_may_be_recorded_twice() -> None:
    one = with_diary(
        healthy(), answers=[answer("one", 6, 8.5), answer("one", 9, 10), answer("two", 14, 16.5)]
    )
    turns = [*one.turns, said(10, "The tiger and the piano.")]
    assert found(replace(one, turns=turns)) == []


def test_a_half_answer_that_is_kept_as_such_is_no_second_turn() -> None:
    turns = [*healthy().turns, said(8, "I would choose the tiger", interrupted=True)]
    assert found(replace(healthy(), turns=turns)) == []


def test_two_rows_for_one_turn_are_found() -> None:
    turns = [*healthy().turns, replace(healthy().turns[0], text="")]
    assert found(replace(healthy(), turns=turns)) == ["doubled"]


def test_a_question_that_is_asked_again_after_its_answer_was_recorded_is_found() -> None:
    asked = [*healthy().diary.asked, Asked(question_id="one", at_s=T + 19)]
    assert found(with_diary(healthy(), asked=asked)) == ["asked"]


def test_a_question_whose_answer_was_on_the_disk_of_a_dead_machine_alone_may_be_asked_again() -> (
    None
):
    asked = [*healthy().diary.asked, Asked(question_id="one", at_s=T + 19)]
    one = with_diary(healthy(), asked=asked)
    assert found(one, struck("kill-machine", 9.2, 9.3, interviewers={"iv": FIRST})) == []
    assert found(one, struck("kill-machine", 10.5, 10.6, interviewers={"iv": FIRST})) == ["asked"]


def test_a_question_that_was_under_way_as_its_answer_was_recorded_is_not_asked_again() -> None:
    asked = [*healthy().diary.asked, Asked(question_id="one", at_s=T + 11)]
    assert found(with_diary(healthy(), asked=asked)) == []


def waiting(from_s: float, until_s: float, **fields: Any) -> Evidence:
    """Return an interview with a silence after the first answer and without the second question."""
    voices = {FIRST: [span(1, 5), span(until_s, 22)]}
    diary = {"voices": voices, "answers": [answer("one", 6, from_s)], **fields}
    return replace(with_diary(healthy(), **diary), turns=healthy().turns[:1], journals=[])


# --- voices and silence ---------------------------------------------------------------------------


def test_two_voices_at_once_are_found_and_a_short_overlap_is_none() -> None:
    voices = healthy().diary.voices | {SECOND: [span(4.2, 5)]}
    assert found(with_diary(healthy(), voices=voices)) == []
    voices[SECOND] = [span(3.5, 5)]
    assert found(with_diary(healthy(), voices=voices)) == ["voices"]


def test_a_silence_above_the_limit_is_found() -> None:
    (violation,) = judged(waiting(8.5, 19.5)).violations
    assert (violation.what, violation.at_s) == ("silence", 8.5)


def test_a_silence_while_livekit_was_unavailable_is_excused() -> None:
    verdict = judged(waiting(8.5, 19.5), struck("kill-livekit", 9, 10))
    assert verdict.violations == ()
    assert verdict.silences_s == ((5.5, 11.0),)


@pytest.mark.parametrize(
    "kind", ["stop-database", "kill-database", "stall-database", "fail-over-database"]
)
def test_a_silence_while_the_database_took_no_writes_is_excused(kind: str) -> None:
    verdict = judged(waiting(8.5, 19.5), struck(kind, 9, 15), unwritable=[span(9, 15.5)])
    assert verdict.violations == ()
    assert verdict.silences_s == ((4.0, 11.0),)


def test_a_fault_of_the_database_excuses_nothing_while_writes_succeed() -> None:
    assert found(waiting(8.5, 19.5), struck("fail-over-database", 9, 15)) == ["silence"]


def test_the_calm_after_an_outage_of_the_database_excuses_nothing() -> None:
    (violation,) = judged(
        waiting(8.5, 19.5), struck("stop-database", 9, 10), unwritable=[span(9, 10.2)]
    ).violations
    assert violation.detail == "11.0 s, with 9.3 s in a row that are not excused"


@pytest.mark.parametrize("kind", ["delay-database", "slow-provider"])
def test_writes_that_fail_without_an_outage_of_the_database_excuse_nothing(kind: str) -> None:
    fault = struck(kind, 9, 19)
    (violation,) = judged(waiting(8.5, 19.5), fault, unwritable=[span(9, 19)]).violations
    assert violation.what == "silence"


def test_a_silence_counts_anew_after_an_outage() -> None:
    outage = struck("stall-database", 15, 15.5)
    assert found(waiting(8.5, 21.5)) == ["silence"]
    assert judged(waiting(8.5, 21.5), outage, unwritable=[span(15, 15.5)]).violations == ()


def test_a_silence_while_no_slot_was_free_is_excused() -> None:
    assert judged(waiting(8.5, 19.5), no_slot=[span(9, 18)]).violations == ()
    (violation,) = judged(waiting(8.5, 19.5), no_slot=[span(9, 10)]).violations
    assert violation.what == "silence"


def test_a_candidate_who_is_away_does_not_wait() -> None:
    assert found(waiting(8.5, 21)) == ["silence"]
    assert found(waiting(8.5, 21, visits=[span(0, 9), span(17, 25)])) == []


def test_nobody_who_ever_comes_is_a_silence() -> None:
    one = with_diary(healthy(), voices={}, asked=[], answers=[], closing_s=None)
    assert found(replace(one, turns=[], journals=[])) == ["silence"]


def test_how_long_nobody_came_back_is_counted_from_the_kill_to_the_next_voice() -> None:
    voices = {FIRST: [span(1, 5), span(10, 10.5)], SECOND: [span(12, 13), span(19, 22)]}
    one = with_diary(healthy(), voices=voices)
    kill = struck("kill-job", 10.4, 10.4, interviewers={"iv": FIRST})
    (back,) = judged(one, kill).returns
    assert back.waited_s == pytest.approx(1.6)
    late = struck("kill-job", 22, 22, interviewers={"iv": SECOND})
    assert judged(one, late).returns == ()


# --- a burst of dispatches ------------------------------------------------------------------------


def listener(voices: dict[str, list[Span]], *, left_s: float = 15) -> Listener:
    """Return the log of a candidate of a burst, who joins at once."""
    return Listener(
        interview_id="extra", room="extra", began_s=T, visits=[span(0, left_s)], voices=voices
    )


def test_a_candidate_of_a_burst_who_hears_words_in_time_is_in_order() -> None:
    verdict = judged(healthy(), listeners=[listener({FIRST: [span(3, 5)]})])
    assert verdict.violations == ()
    assert verdict.first_words_s == (3.0,)
    assert verdict.silences_s == ((2.5, 2.5), (3.0, 3.0))


def test_first_words_of_a_burst_that_come_late_or_never_are_found() -> None:
    late = listener({FIRST: [span(9, 12)]})
    (violation,) = judged(healthy(), struck("dispatch-burst", 0, 15), listeners=[late]).violations
    assert (violation.what, violation.interview_id, violation.at_s) == ("silence", "extra", 0.0)
    assert violation.detail == (
        "first words of a burst's interview after 9.0 s, with 9.0 s in a row that are not excused"
    )
    verdict = judged(healthy(), listeners=[listener({})])
    assert [each.what for each in verdict.violations] == ["silence"]
    assert verdict.first_words_s == ()


def test_a_candidate_of_a_burst_waits_while_no_slot_is_free() -> None:
    late = listener({FIRST: [span(12, 13)]})
    assert judged(healthy(), listeners=[late], no_slot=[span(0, 6)]).violations == ()


def test_a_candidate_of_a_burst_who_could_not_join_proves_nothing() -> None:
    absent = replace(listener({}), visits=[])
    assert judged(healthy(), listeners=[absent]).violations == ()


def test_two_voices_in_an_interview_of_a_burst_are_found() -> None:
    both = listener({FIRST: [span(3, 6)], SECOND: [span(4, 6)]})
    (violation,) = judged(healthy(), listeners=[both]).violations
    assert (violation.what, violation.interview_id) == ("voices", "extra")


# --- the end --------------------------------------------------------------------------------------


def test_an_interview_without_an_end_or_its_reason_is_found() -> None:
    row = healthy().row
    assert row is not None
    assert found(replace(healthy(), row=None)) == ["end"]
    assert found(replace(healthy(), row=replace(row, status="running", outcome=None))) == ["end"]
    assert found(replace(healthy(), row=replace(row, reason=None))) == ["end"]
    assert found(replace(healthy(), row=replace(row, reason="RoomDeleted"))) == ["end"]
    assert found(with_diary(healthy(), gave_up=True)) == ["end"]


def test_leases_rooms_and_processes_that_are_left_are_found() -> None:
    row = healthy().row
    assert row is not None
    assert found(replace(healthy(), row=replace(row, lease_job="AJ_1"))) == ["lease"]
    assert found(replace(healthy(), in_room=[FIRST])) == ["room"]
    assert found(replace(healthy(), processes=[4711])) == ["process"]
    (left,) = judged(healthy(), leftovers=["3 more sockets"]).violations
    assert (left.what, left.detail, left.interview_id) == ("leftover", "3 more sockets", "")


def test_records_of_the_disk_that_are_not_in_the_database_are_found() -> None:
    assert found(replace(healthy(), stored={"AJ_1": 2})) == ["journal"]
    turns = [replace(healthy().turns[0], seq=77), healthy().turns[1]]
    assert found(replace(healthy(), turns=turns)) == ["journal"]


def test_the_limits_can_be_set() -> None:
    (violation,) = judge(round_of(healthy()), Limits(silence_s=2.0)).violations
    assert violation.what == "silence"
