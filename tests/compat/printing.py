"""Runs today's commands over the captured database, as they were run when it was captured."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from tests.compat.captured import broken
from tests.compat.comparing import changed_values, missing_keys
from worker.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.compat.captured import Captured

#: Keys whose values have data for keys: resources, the parts of a turn.
MAPS = ("conditions", "latency_s")


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A command of a version: what was typed, printed, and returned."""

    version: Captured
    name: str
    arguments: Sequence[str]
    exit_code: int

    @classmethod
    def of(cls, version: Captured, name: str) -> Printed:
        """The command that was captured under a name."""
        (entry,) = (each for each in version.data("commands", "index.json") if each["name"] == name)
        return cls(version=version, **entry)

    @property
    def old(self) -> Any:
        """What was printed; None where that was nothing."""
        text = self.version.path("commands", f"{self.name}.json").read_text(encoding="utf-8")
        return json.loads(text) if text.strip() else None

    def about(self, interview_id: str) -> Printed:
        """The same command about another interview."""
        return replace(self, arguments=[*self.arguments[:2], interview_id, *self.arguments[3:]])

    @property
    def command(self) -> str:
        """What was typed."""
        return f"interview-worker {' '.join(self.arguments)}"

    def run(self) -> Any:
        """What it prints today. Fails where it ends with another exit code or prints no JSON."""
        done = CliRunner().invoke(app, list(self.arguments))
        if done.exit_code != self.exit_code:
            broken(
                [
                    f"`{self.command}` exits with {done.exit_code} instead of {self.exit_code} "
                    f"(version {self.version}): {done.stderr.strip() or done.exception!r}"
                ]
            )
        try:
            return json.loads(done.stdout) if self.old is not None else None
        except ValueError:
            broken([f"`{self.command}` prints no JSON any more: {done.stdout[:200]!r}"])
        return None

    def same_values(self, new: Any) -> None:
        """Fail where a value that was printed is missing, or another one."""
        self._fail(list(changed_values(self.old, new)))

    def same_keys(self, new: Any) -> None:
        """Fail where a key that was printed is missing, or has another type."""
        self._fail(list(missing_keys(self.old, new, maps=MAPS)))

    def _fail(self, problems: Sequence[str]) -> None:
        broken([f"In the JSON of `{self.command}`, {problem}." for problem in problems])
