"""Run one of the baseline workers: `python -m benchmarks.baseline_worker tone|usual NAME`."""

from __future__ import annotations

import asyncio
import logging
import sys

from livekit.agents import AgentServer

from benchmarks import baseline_agents


def main(kind: str, agent_name: str) -> None:
    """Serve until SIGTERM; LiveKit's address and key come from the environment."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    set_up, entrypoint = {
        "tone": (baseline_agents.no_set_up, baseline_agents.tone),
        "usual": (baseline_agents.load_models, baseline_agents.usual),
    }[kind]
    server = AgentServer(
        host="127.0.0.1", port=0, num_idle_processes=2, load_threshold=1.0, setup_fnc=set_up
    )
    server.rtc_session(entrypoint, agent_name=agent_name)
    asyncio.run(server.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
