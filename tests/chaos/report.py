"""The report of a run: a JSON file for programs, a table for people."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.kinds import in_words
from tests.chaos.verdict import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.evidence import Struck
    from tests.chaos.run import RoundResult
    from tests.chaos.verdict import Return


#: Shortest duration of a fault that is shown, in seconds.
_SHOWN_S: Final = 0.5


def summary(seed: int, results: Sequence[RoundResult], left: Sequence[str] = ()) -> dict[str, Any]:
    """Return the metrics of a run as JSON data, with times in seconds. `left`: its leftovers."""
    struck = [each for result in results for each in result.evidence.struck]
    verdicts = [result.verdict for result in results]
    violations = [
        asdict(each) | {"round": result.evidence.number}
        for result in results
        for each in result.verdict.violations
    ]
    violations += [
        asdict(Violation(what="leftover", detail=each)) | {"round": len(results)} for each in left
    ]
    words = [waited_s for verdict in verdicts for waited_s in verdict.first_words_s]
    silences = [pair for verdict in verdicts for pair in verdict.silences_s]
    return {
        "seed": seed,
        "rounds": len(results),
        "interviews": sum(len(result.evidence.interviews) for result in results),
        "faults": {
            "struck": sum(each.hit for each in struck),
            "missed": sum(not each.hit for each in struck),
            "by_kind": dict(Counter(each.kind for each in struck if each.hit)),
        },
        "answers": sum(verdict.answers for verdict in verdicts),
        "answers_unheard": sum(verdict.unheard for verdict in verdicts),
        "answers_halting": sum(verdict.halting for verdict in verdicts),
        "words_misheard": sum(verdict.misheard for verdict in verdicts),
        "violations_by_kind": dict(Counter(each["what"] for each in violations)),
        "longest_silence_s": _rounded(max((counted for counted, _ in silences), default=None)),
        "longest_silence_with_excuses_s": _rounded(
            max((whole for _, whole in silences), default=None)
        ),
        "ends": dict(Counter(end for verdict in verdicts for end in verdict.ends)),
        **_returns([each for verdict in verdicts for each in verdict.returns]),
        "first_words_after_s": _spread(words) if words else None,
        "late_microphone_frames": sum(
            one.diary.late_frames for result in results for one in result.evidence.interviews
        ),
        "violations": violations,
    }


def _returns(returns: Sequence[Return]) -> dict[str, Any]:
    """Return how long candidates waited after their interviewer was killed, by kind of fault."""
    waits: dict[str, list[float]] = {}
    for each in returns:
        if each.waited_s is not None:
            waits.setdefault(each.kind, []).append(each.waited_s)
    every = [waited for waited_by_kind in waits.values() for waited in waited_by_kind]
    return {
        "back_after_s": {kind: _spread(some) for kind, some in sorted(waits.items())}
        | ({"all": _spread(every)} if every else {}),
        "never_back": len(returns) - len(every),
    }


def write(path: Path, figures: dict[str, Any], results: Sequence[RoundResult]) -> None:
    """Write the metrics, with every fault and every candidate's diary."""
    rounds = [
        {
            "number": result.evidence.number,
            "struck": [asdict(each) for each in result.evidence.struck],
            "diaries": [asdict(one.diary) for one in result.evidence.interviews],
            "listeners": [asdict(each) for each in result.evidence.listeners],
            "unwritable": [asdict(each) for each in result.evidence.unwritable],
            "no_slot": [asdict(each) for each in result.evidence.no_slot],
            "ends": result.verdict.ends,
        }
        for result in results
    ]
    path.write_text(json.dumps(figures | {"detail": rounds}, indent=1, default=str) + "\n")


def table(figures: dict[str, Any]) -> str:
    """Return the metrics as lines of text."""
    faults = figures["faults"]
    lines = [
        f"seed {figures['seed']}: {faults['struck']} faults injected ({faults['missed']} missed)"
        f" in {figures['interviews']} interviews, {figures['rounds']} rounds",
        *(f"  {count} x {in_words(kind)}" for kind, count in sorted(faults["by_kind"].items())),
        f"answers: {figures['answers']} complete; {figures['answers_unheard']} of them"
        f" while no interviewer could hear, {figures['answers_halting']} with gaps, as this machine"
        f" was too busy; {figures['words_misheard']} words misheard",
        f"ends: {_counts(figures['ends'])}",
        f"longest silence: {figures['longest_silence_s']} s"
        f" ({figures['longest_silence_with_excuses_s']} s with the times when LiveKit, the"
        " database, a slot or the candidate was unavailable)",
    ]
    lines += [
        f"back after {kind}: median {spread['median']} s, worst {spread['worst']} s"
        f" ({spread['times']} times)"
        for kind, spread in figures["back_after_s"].items()
    ]
    if spread := figures["first_words_after_s"]:
        lines.append(
            f"first words of an interview of a burst after: median {spread['median']} s, worst"
            f" {spread['worst']} s ({spread['times']} times)"
        )
    if figures["never_back"]:
        lines.append(f"no interviewer came back: {figures['never_back']} times")
    lines.append(f"violations: {_counts(figures['violations_by_kind']) or 'none'}")
    lines += [violation_line(each) for each in figures["violations"]]
    return "\n".join(lines)


def strike_line(struck: Struck, began_s: float) -> str:
    """Return one fault as a line of text: when, for how long, what it did, and why it missed.

    `began_s` is the start of its round, in seconds since the epoch.
    """
    lasted = f" for {struck.span.length_s:.1f} s" if struck.span.length_s >= _SHOWN_S else ""
    missed = "" if struck.hit else f" (missed: {struck.note})"
    at_s = struck.span.start_s - began_s
    return f"  {at_s:5.1f} s{lasted}: {in_words(struck.kind, struck.target)}{missed}"


def violation_line(each: dict[str, Any]) -> str:
    """Return one violation as a line of text, with its round and interview."""
    where = f"round {each['round']}"
    if each["interview_id"]:
        where += f", interview {each['interview_id']}"
    at = "" if each["at_s"] is None else f" at {each['at_s']:.1f} s"
    after = f" (after {each['after']})" if each["after"] else ""
    return f"  {each['what']}: {where}{at}: {each['detail']}{after}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _spread(waits: Sequence[float]) -> dict[str, float]:
    return {
        "times": len(waits),
        "median": round(median(waits), 2),
        "worst": round(max(waits), 2),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
