"""The commands of `interview-worker`. A command's module is imported when the command is used.

Importing the modules of all commands would delay every container probe by a second.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from worker.cli.help_texts import PANELS, examples, panel_of

if TYPE_CHECKING:
    from typer.main import Typer

#: Where each command and each group of commands is defined, as `module:attribute` in `worker.cli`.
#: A group is a Typer application. `help_texts.PANELS` has the names in the order in which `--help`
#: lists them.
_PLACES: Final[Mapping[str, str]] = {
    "start": "start:start",
    "doctor": "doctor:doctor",
    "config": "config:config",
    "demo": "demo:demo",
    "interviews": "interviews:app",
    "plan": "plan:app",
    "jobs": "jobs:app",
    "health": "health:health",
    "top": "top:top",
    "providers": "providers:providers",
    "blame": "plot:blame",
    "critical-chain": "plot:critical_chain",
    "plot": "plot:plot",
    "diagram": "diagram:diagram",
    "resources": "resources:resources",
    "faults": "faults:faults",
}


class Commands(Mapping[str, Any]):
    """The commands by name, in the order of `--help`. Looking up a command imports its module."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = _PLACES[name].partition(":")
        found = getattr(importlib.import_module(f"worker.cli.{module}"), attribute)
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name, rich_help_panel=panel_of(name))
        else:
            holder.command(name, rich_help_panel=panel_of(name), epilog=examples(name))(found)
        return typer.main.get_group(holder).commands[name]

    def __iter__(self) -> Iterator[str]:
        return (name for names in PANELS.values() for name in names)

    def __len__(self) -> int:
        return len(_PLACES)


class CommandGroup(TyperGroup):
    """The group of all commands, whose `--help` imports no command's module."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": Commands()})

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of `--help`."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the summary of each command from `PANELS`."""
        listed: dict[str, Any] = {
            name: TyperCommand(name, help=summary, rich_help_panel=panel)
            for panel, summaries in PANELS.items()
            for name, summary in summaries.items()
        }
        TyperGroup(
            name=self.name,
            commands=listed,
            params=self.params,
            help=self.help,
            epilog=self.epilog,
            rich_markup_mode=self.rich_markup_mode,
        ).format_help(ctx, formatter)


app: Typer = typer.Typer(
    name="interview-worker",
    cls=CommandGroup,
    help="Hold voice interviews in LiveKit rooms, and show what happened in each of them.",
    epilog="interview-worker COMMAND --help shows examples.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        # Imported here, because it imports the database's migrations.
        from worker.cli.version import version_line

        typer.echo(version_line())
        raise typer.Exit


#: Commands that print no note about the file of settings: `start`, because a worker logs the note,
#: and `health`, because it runs often.
_QUIET: Final = ("start", "health")


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
    env_file: Annotated[
        str | None,
        typer.Option(
            "--env-file",
            metavar="FILE",
            help="File with further settings, such as .env; same as INTERVIEW_ENV_FILE.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Handle the options that are given before the name of the command."""
    from worker.cli.errors import report
    from worker.env.env_file import USUAL, VARIABLE, chosen_file, is_passed_over

    if env_file is not None:
        # The processes of jobs read their settings from the environment.
        os.environ[VARIABLE] = os.path.abspath(os.path.expanduser(env_file))
    if context.invoked_subcommand in _QUIET:
        return
    if (path := chosen_file()) is not None:
        report(f"settings are also read from {path}")
    elif is_passed_over():
        report(f"the file {USUAL} in this folder is not read: to read it, use --env-file {USUAL}")
