"""Code that the commands share: running a coroutine, JSON, lists, output and names."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from worker.cli.control_characters import json_for_terminals
from worker.cli.errors import CommandError as CommandError
from worker.cli.errors import ExitCode as ExitCode
from worker.cli.errors import fail as fail
from worker.cli.errors import one_line_errors as one_line_errors
from worker.cli.errors import report

T = TypeVar("T")

#: Maximum length of a name, in characters. LiveKit accepts room names of up to 256 characters
#: (limits.max_room_name_length).
_LONGEST_NAME = 200


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine of a command, and report its errors as `one_line_errors` does."""
    with one_line_errors():
        return asyncio.run(work)


def print_json(value: Any) -> None:
    """Print `value` as JSON on standard output. Times are in ISO 8601 format.

    Characters that control a terminal are escaped. An unpaired surrogate, which a journal may
    contain, is escaped too, because UTF-8 cannot represent it.
    """
    text = json_for_terminals(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))
    if sys.stdout is not None:  # None if standard output is closed (`>&-`)
        # Flush now, so that a full disk causes an error in this function.
        typer.echo(text.encode("utf-8", "backslashreplace").decode())


#: The option `--limit`: the maximum number of rows of a list. A limit is needed, because a database
#: may have half a million interviews.
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")]
DEFAULT_LIMIT = 100


def cut_to(rows: Sequence[T], limit: int) -> Sequence[T]:
    """Return the first `limit` rows. If rows are left out, print a note on standard error."""
    if len(rows) > limit:
        report(f"the newest {limit} are shown; --limit shows more")
    return rows[:limit]


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write_out(data: bytes, output: Path | None) -> None:
    """Write a command's output to a file, or to standard output if `output` is None.

    Raises CommandError if the file cannot be written.
    """
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror}") from error


def check_names(*given: tuple[str, str | None]) -> None:
    """Raise CommandError if a name is blank, too long or not printable.

    Each element of `given` is an option and its value. A value of None means that the option was
    not given.
    """
    for option, name in given:
        if name is None:
            continue
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise CommandError(
                f"{option} must be 1 to {_LONGEST_NAME} printable characters, not only spaces",
                ExitCode.USAGE,
            )
