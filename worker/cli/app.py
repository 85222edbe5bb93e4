"""The commands of `interview-worker`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup

from worker.cli import (
    config,
    demo,
    diagram,
    doctor,
    faults,
    health,
    interviews,
    jobs,
    plan,
    plot,
    providers,
    resources,
    start,
    top,
)
from worker.cli.help_texts import examples, in_order, panel_of

#: Commands, and groups of commands, by name. `help_texts` has their order in `--help`.
_COMMANDS: Final[Mapping[str, Callable[..., object]]] = {
    "start": start.start,
    "doctor": doctor.doctor,
    "config": config.config,
    "demo": demo.demo,
    "health": health.health,
    "top": top.top,
    "providers": providers.providers,
    "blame": plot.blame,
    "critical-chain": plot.critical_chain,
    "plot": plot.plot,
    "diagram": diagram.diagram,
    "resources": resources.resources,
    "faults": faults.faults,
}
_GROUPS: Final[Mapping[str, typer.Typer]] = {
    "interviews": interviews.app,
    "plan": plan.app,
    "jobs": jobs.app,
}


class CommandsInOrder(TyperGroup):
    """Group that lists its commands in the order of use; typer lists groups after commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of `help_texts.PANELS`."""
        return in_order(self.commands)


app = typer.Typer(
    name="interview-worker",
    cls=CommandsInOrder,
    help="Hold voice interviews in LiveKit rooms, and show what happened in each of them.",
    epilog="interview-worker COMMAND --help shows examples.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in _COMMANDS.items():
    app.command(_name, rich_help_panel=panel_of(_name), epilog=examples(_name))(_command)
for _name, _group in _GROUPS.items():
    app.add_typer(_group, name=_name, rich_help_panel=panel_of(_name))
