"""The commands of `interview-worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli import (
    config,
    demo,
    diagram,
    doctor,
    faults,
    health,
    interviews,
    jobs,
    plot,
    providers,
    resources,
    start,
    top,
)
from worker.cli.version import print_version

app = typer.Typer(
    name="interview-worker",
    help="Hold voice interviews in LiveKit rooms, and show what happened in each of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


app.command("start")(start.start)
app.command("demo")(demo.demo)
app.add_typer(interviews.app, name="interviews")
app.add_typer(jobs.app, name="jobs")
app.command("diagram")(diagram.diagram)
app.command("plot")(plot.plot)
app.command("blame")(plot.blame)
app.command("critical-chain")(plot.critical_chain)
app.command("resources")(resources.resources)
app.command("providers")(providers.providers)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.command("top")(top.top)
app.command("config")(config.config)
app.command("faults")(faults.faults)
