"""Examples in `--help` of each command, and the panels in which `--help` lists the commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Panels of `interview-worker --help`, each with its commands and their summaries. Panels and
#: commands are in the order of use. Each summary repeats the first sentence of its command's help,
#: because `--help` must not import the commands. A test compares the two.
PANELS: Final[Mapping[str, Mapping[str, str]]] = {
    "Run a worker": {
        "start": "Run a worker, which takes interviews until SIGTERM or Ctrl-C.",
        "doctor": "Check everything that a worker needs, from LiveKit to the disk, and print what "
        "to do.",
        "config": "Print every setting with its value and origin; secrets are masked.",
        "demo": "Hold a complete voice interview in a real LiveKit room, without keys or settings.",
    },
    "Hold interviews": {
        "interviews": "Create, dispatch, cancel, list, show and export interviews.",
        "plan": "Check the plans of interviews.",
        "jobs": "List jobs, show one, or store journals again.",
    },
    "Watch the worker on this machine": {
        "health": "Probe the worker at INTERVIEW_HTTP_HOST and INTERVIEW_HTTP_PORT; exit 0 if ok, "
        "5 if not.",
        "top": "Show the running interviews live: state, lost resources, silence, latency, CPU, "
        "memory.",
        "providers": "Print the fallback chains: each provider's state, until when, and the "
        "reason.",
    },
    "Explain a job": {
        "blame": "List a job's steps, slowest first; with --last, the steps of the newest jobs.",
        "critical-chain": "Print the critical chain: the steps that decided when a job reached "
        "RUNNING.",
        "plot": "Draw a job's start-up step by step; with --last, the start-ups of the newest "
        "jobs.",
        "diagram": "Draw the lifecycle: events solid, timeouts dashed with their seconds, failures "
        "red.",
    },
    "List what the worker knows": {
        "resources": "Print each resource of an interview: required or optional, budget, and "
        "effect of its loss.",
        "faults": "Print the points where faults can be injected, the kinds of fault, and how to "
        "set them.",
    },
}

#: Example command lines, by command. A command line has at most 76 columns, so that a terminal of
#: 80 columns shows the line without a line break.
EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "start": (
        "interview-worker start",
        "INTERVIEW_EMBEDDED=1 interview-worker start",
    ),
    "doctor": (
        "interview-worker doctor",
        "interview-worker doctor --strict --json",
    ),
    "config": (
        "interview-worker config",
        "interview-worker config --changed",
    ),
    "demo": (
        "interview-worker demo",
        "interview-worker demo -o first-interview",
    ),
    "interviews create": (
        "interview-worker interviews create --candidate Ada --plan plan.yaml",
        'interview-worker interviews create --candidate "Ada Lovelace" --dispatch',
        "interview-worker interviews create --id talk-17 --candidate Ada --dispatch",
    ),
    "interviews dispatch": ("interview-worker interviews dispatch 6d466b99999a",),
    "interviews cancel": (
        "interview-worker interviews cancel 6d466b99999a",
        "interview-worker interviews cancel 6d466b99999a --json",
    ),
    "interviews list": (
        "interview-worker interviews list --status waiting",
        "interview-worker interviews list --candidate ada --since 7d",
        "interview-worker interviews list --since 2026-03-01 --until 2026-03-31",
    ),
    "interviews show": (
        "interview-worker interviews show 6d466b99999a",
        "interview-worker interviews show 6d466b99999a --json",
    ),
    "interviews token": (
        "interview-worker interviews token 6d466b99999a",
        "interview-worker interviews token 6d466b99999a --json",
    ),
    "interviews export": (
        "interview-worker interviews export 6d466b99999a -o transcript.md",
        "interview-worker interviews export 6d466b99999a --format json",
    ),
    "plan check": (
        "interview-worker plan check plan.yaml",
        "interview-worker plan check plans/*.yaml",
    ),
    "jobs list": (
        "interview-worker jobs list --limit 20",
        "interview-worker jobs list --interview 6d466b99999a",
    ),
    "jobs show": (
        "interview-worker jobs show AJ_VnxxiVcE3YnD",
        "interview-worker jobs show journal.jsonl --json",
    ),
    "jobs ship": (
        "interview-worker jobs ship",
        "interview-worker jobs ship journal.jsonl",
    ),
    "health": (
        "interview-worker health",
        "interview-worker health live",
    ),
    "top": (
        "interview-worker top",
        "interview-worker top --once",
    ),
    "providers": (
        "interview-worker providers",
        "interview-worker providers --json",
    ),
    "blame": (
        "interview-worker blame AJ_VnxxiVcE3YnD",
        "interview-worker blame --last 50",
    ),
    "critical-chain": (
        "interview-worker critical-chain AJ_VnxxiVcE3YnD",
        "interview-worker critical-chain journal.jsonl --json",
    ),
    "plot": (
        "interview-worker plot AJ_VnxxiVcE3YnD -o start.svg",
        "interview-worker plot --last 50 -o starts.png",
    ),
    "diagram": (
        "interview-worker diagram --format svg -o lifecycle.svg",
        "interview-worker diagram --job AJ_VnxxiVcE3YnD --format png -o path.png",
        "interview-worker diagram --dialogue --format svg -o dialogue.svg",
    ),
    "resources": (
        "interview-worker resources",
        "interview-worker resources --json",
    ),
    "faults": (
        "interview-worker faults",
        "interview-worker faults --json",
    ),
}


def examples(command: str) -> str:
    """Return the examples of a command, one per line, for the end of the command's help."""
    head = "Examples:" if len(EXAMPLES[command]) > 1 else "Example:"
    # typer removes the indentation that all lines but the first have in common. An empty first line
    # and a heading without indentation make typer keep the indentation of the examples.
    return "\n".join(("", head, *(f"  {line}" for line in EXAMPLES[command])))


def panel_of(command: str) -> str:
    """Return the panel that lists a command. Raises KeyError if no panel lists the command."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    return panels[command]
