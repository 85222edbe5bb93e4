"""Generates docs/reference/rows.md: the requirements, row by row, with the tests of each row.

A test names the rows that it covers in a marker, `@pytest.mark.row("S1")`. The page is generated
from these markers, so it stays correct when a test is moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scripts.markdown import table
from scripts.marked_tests import marked_tests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scripts.marked_tests import MarkedTest

PATH: Final = "docs/reference/rows.md"
#: The requirements by row id. C rows are from the design card, S rows are from the reliability
#: document, and B rows are additions to both.
ROWS: Final[Mapping[str, str]] = {
    "C1": "Each job runs one lifecycle state machine, on the `transitions` package",
    "C2": "Every state has a budget, and running out of it is a transition",
    "C3": "Every loader reports success or failure, and the machine picks the path",
    "C4": "Only the failure of the orchestrator ends a job before it begins",
    "C5": "The worker is started, holds interviews, and stops",
    "C6": "Lifecycle diagrams are rendered from the table and from a job's journal",
    "C7": "A test asserts the transition sequence of a job",
    "C8": "Built on the seven required packages, each really used",
    "C9": "The top level has the required layout, and little more",
    "S1": "`get_vad()` loads Silero once per process, in a thread; None if that fails",
    "S2": "`OrchestratorLLM(id)` is cheap; `init(db)` does the heavy part and can be retried",
    "S3": "`bootstrap_resources()` fills one `AgentResources`, whose `aclose()` frees all",
    "S4": "Connect first, then bootstrap, then start the session, and always close the resources",
    "S5": "The four start-up lines are logged, each with its elapsed time",
    "S6": "VAD, speech and database failures degrade; an orchestrator's ends with a clear error",
    "S7": "Handshake < 300 ms, connect < 200 ms, agent ready < 800 ms, VAD < 2 s in the background",
    "S8": "The six scenarios: timings, no VAD, a burst, no database, a bad network, an invalid id",
    "S9": "AgentServer: 2 idle processes and 5 s for clean-up, by default and configurable",
    "S10": "Database pool: 5 connections and 5 of overflow, each verified; configurable",
    "S11": "Monitored: exit codes, time-outs, start-up latency, VAD failures, leaks",
    "S12": "Alerts: exit code not 0; time-outs > 1 %; latency > 800 ms; VAD failures > 10 %",
    "S13": "Prometheus metrics, health checks, retries, prewarm tuned to the load",
    "B1": "DEGRADED: every resource states what its loss means for the candidate",
    "B2": "A missing resource recovers in the running session",
    "B3": "A launch that fails is reported and repaired",
    "B4": "A watcher dispatches another interviewer when one is gone",
    "B5": "The next interviewer resumes at the open question",
    "B6": "A stuck turn is recovered step by step, or the job ends",
    "B7": "Speech providers are judged by the audio and text that they deliver",
    "B8": "Recorded clips are bundled: essential messages need no provider",
    "B9": "Shutdown runs in budgeted steps, each recorded, none skipped",
    "B10": "Every word is journaled before anything acts on it, and reaches the database",
    "B11": "Faults can be set at every point, only where allowed, and are recorded",
    "B12": "The alert rules are generated from the lifecycle's table and the metrics",
    "B13": "The diagrams are generated from the lifecycle's table",
}

_HEAD = """# The requirements, and the tests that cover them

The rows C are those of the design card, S those of the reliability document, B additions beyond
them. A test is marked with the rows that it covers (`@pytest.mark.row("S1")`); a row without a
test fails `tests/unit/scripts/test_rows.py`. `make test` includes all tests of `make unit`.
Rotating tests run in `make e2e`, and in CI on one commit of six
([CONTRIBUTING.md](../../CONTRIBUTING.md)).
"""


def shown_by(tests: Sequence[MarkedTest]) -> dict[str, list[MarkedTest]]:
    """Return the tests that cover each row, in the order of `ROWS`. Unknown row ids come last."""
    shown: dict[str, list[MarkedTest]] = {row: [] for row in ROWS}
    for test in tests:
        for row in test.rows:
            shown.setdefault(row, []).append(test)
    return shown


def rows_page(repository: Path) -> str:
    """Return the page, generated from the tests' markers."""
    sections = [_HEAD]
    for row, tests in shown_by(marked_tests(repository)).items():
        lines = [
            (test.runs_in, f"[{test.module}](../../{test.module})", f"`{test.name}`")
            for test in tests
        ]
        sections += [f"## {row}: {ROWS[row]}\n", table(("runs in", "module", "test"), lines)]
    return "\n".join(sections)
