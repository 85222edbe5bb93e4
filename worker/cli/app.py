"""The commands of `interview-worker`."""

from __future__ import annotations

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

app = typer.Typer(
    name="interview-worker",
    help="Hold voice interviews in LiveKit rooms, and show what happened in each of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
