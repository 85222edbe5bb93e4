"""Generates docs/reference/log-events.md: every log line of the worker, by its key.

The page is generated from the log calls in the source. A log call is a call such as
`logger.info("the VAD is loaded", extra={"event": "vad_loaded", "elapsed_s": 0.7})`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from scripts.markdown import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH: Final = "docs/reference/log-events.md"

#: The packages whose log calls are read.
PACKAGES: Final = ("states", "worker")
#: The level of a log line, by the method of the logger. `log` gets the level as an argument.
_METHODS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
    "log": None,
}
#: Functions that log without a logger of the module.
_ON_ROOT: Final = {f"logging.{method}" for method in _METHODS}
#: A module without any of these words logs nothing, and is not parsed.
_LOGGING: Final = ("logger", "logging", "structlog")
#: The error at the end of a sentence.
_ERROR: Final = re.compile(r"(: %s)+$")

_HEAD: Final = """# The log lines of the worker

With `INTERVIEW_LOG_FORMAT=json` every log line is a JSON object. `event` is the key of the line: it
names what happened, and stays when the sentence is reworded. `message` is the sentence. To find all
lines of one kind, search for the key: `jq 'select(.event == "job_process_ended")'`.

Every line has `event`, `message`, `level`, `logger` and `timestamp`. A line of a job also has
`job_id`, `room` and `interview_id`. A line of a library has the name of its logger as `event`, for
example `livekit.agents`. The console format, for people, shows the sentence without the key.

In the table, `…` is a value that the worker fills in.

"""


class LogCallUnreadable(Exception):
    """Raised if a log call has no literal sentence or no literal key."""

    def __init__(self, module: str, line: int, why: str) -> None:
        super().__init__(f"{module}:{line}: {why}")


@dataclass(frozen=True, kw_only=True, order=True)
class LogEvent:
    """One kind of log line, as one log call writes it."""

    key: str
    #: The path of the module in the repository, for example worker/server/drain.py.
    module: str
    #: The sentence as it stands in the call, for example "the VAD failed: %s".
    sentence: str
    #: The possible levels, for example ("info", "error").
    levels: tuple[str, ...]
    #: The names of the extra fields.
    fields: tuple[str, ...]

    @property
    def meaning(self) -> str:
        """The sentence without the error at its end, which only some calls with the key log."""
        return _ERROR.sub("", self.sentence)


@cache
def log_events(repository: Path) -> tuple[LogEvent, ...]:
    """Return the log calls of the worker, sorted by key, read once. Raises LogCallUnreadable."""
    modules = (each for name in PACKAGES for each in (repository / name).rglob("*.py"))
    events = {
        event
        for path in modules
        for event in events_of(
            path.read_text(encoding="utf-8"), path.relative_to(repository).as_posix()
        )
    }
    return tuple(sorted(events))


def events_of(source: str, module: str) -> Iterator[LogEvent]:
    """Yield the log calls of a module. Raises LogCallUnreadable."""
    if not any(name in source for name in _LOGGING):
        return
    tree = ast.parse(source)
    _check_loggers(tree, module)
    constants = _constants(tree)
    for function, call in _log_calls(tree, tree):
        method = _method(call.func)
        level = _METHODS[method]
        sentence = _text(call.args[0 if level else 1], constants)
        extra = next((word.value for word in call.keywords if word.arg == "extra"), None)
        fields = {} if not isinstance(extra, ast.Dict) else _fields(extra)
        key = _text(fields.pop("event"), {}) if "event" in fields else None
        if sentence is None or key is None or None in fields:
            why = 'not of the form logger.info("a sentence", extra={"event": "a_key", ...})'
            raise LogCallUnreadable(module, call.lineno, why)
        names = [name for name in fields if name is not None]
        if method == "exception" or any(word.arg == "exc_info" for word in call.keywords):
            names.append("exception")
        yield LogEvent(
            key=key,
            module=module,
            sentence=sentence,
            levels=(level,) if level else _levels_in(function),
            fields=tuple(names),
        )


def log_events_page(repository: Path) -> str:
    """Return the page, generated from the log calls."""
    rows = (
        (
            f"`{event.key}`",
            " or ".join(event.levels),
            re.sub("(%[a-z])+", "…", event.sentence),
            ", ".join(f"`{name}`" for name in event.fields),
            f"[{event.module}](../../{event.module})",
        )
        for event in log_events(repository)
    )
    return _HEAD + table(("event", "level", "message", "fields", "module"), rows)


def _check_loggers(tree: ast.Module, module: str) -> None:
    """Raise LogCallUnreadable for log lines that `_log_calls` would not find."""
    nodes = list(ast.walk(tree))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and _method(node):
            if id(node) not in called:
                raise LogCallUnreadable(module, node.lineno, "a log method is passed on")
        elif isinstance(node, ast.Call) and _dotted(node.func) in _ON_ROOT:
            raise LogCallUnreadable(module, node.lineno, "a line is logged by the root logger")
        elif isinstance(node, ast.Assign) and _is_logger(node.value):
            # Any other name would hide the calls from `_log_calls`.
            named_logger = ast.unparse(node.targets[0]) == "logger"
            if not named_logger:
                raise LogCallUnreadable(module, node.lineno, "a logger is not named `logger`")


def _log_calls(node: ast.AST, function: ast.AST) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Yield each log call below `node`, with the function that contains the call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and _method(child.func):
            yield function, child
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _log_calls(child, child if is_function else function)


def _method(node: ast.expr) -> str:
    """Return the method of an expression such as `logger.info`; "" for any other expression."""
    if isinstance(node, ast.Attribute) and _is_name(node.value, "logger"):
        return node.attr if node.attr in _METHODS else ""
    return ""


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _dotted(node: ast.expr) -> str:
    """Return an attribute of a name, such as "logging.info"; "" for any other expression."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def _is_logger(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and _dotted(node.func) in ("logging.getLogger", "structlog.get_logger")
        and bool(node.args)
    )


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values of the names that the module assigns at its top level."""
    return {
        ast.unparse(node.target): node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.value is not None
    }


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str | None:
    """Return the text of a literal or of a constant of the module; None for anything else."""
    found = constants.get(node.id, node) if isinstance(node, ast.Name) else node
    value = found.value if isinstance(found, ast.Constant) else None
    return value if isinstance(value, str) else None


def _fields(extra: ast.Dict) -> dict[str | None, ast.expr]:
    """Return the entries of a dict; None is the name of an entry whose name is not literal."""
    return {
        _text(name, {}) if name is not None else None: value
        for name, value in zip(extra.keys, extra.values, strict=True)
    }


def _levels_in(function: ast.AST) -> tuple[str, ...]:
    """Return the levels that a function names, as its call of `logger.log` uses one of them."""
    return tuple(
        node.attr.lower()
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and _is_name(node.value, "logging")
        and node.attr.lower() in _METHODS
    )
