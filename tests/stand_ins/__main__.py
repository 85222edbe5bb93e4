"""Run local servers for all providers, with real speech, to try a worker's cloud chains on.

Run `python -m tests.stand_ins`, and in another shell the lines that it prints. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.openai import DEFAULT_REPLY, OpenAIStandIn
from worker.speech import local_models
from worker.speech.local_models import LocalSpeechUnavailable

_CHAINS = {
    "INTERVIEW_STT": "deepgram,local",
    "INTERVIEW_TTS": "elevenlabs,local",
    "INTERVIEW_LLM": "openai,scripted",
}


async def _serve(reply: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(DeepgramStandIn()),
            await stack.enter_async_context(ElevenLabsStandIn()),
            await stack.enter_async_context(OpenAIStandIn(reply=lambda _: reply)),
        ]
        for server in servers:
            for variable, value in server.environment.items():
                print(f"export {variable}={value}")
        for variable, value in _CHAINS.items():
            print(f"export {variable}={value}")
        sys.stdout.flush()
        print("stand-ins are up; Ctrl-C ends them", file=sys.stderr, flush=True)
        await ended.wait()


def main() -> int:
    """Run the servers; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stand_ins", description=__doc__)
    parser.add_argument("--reply", default=DEFAULT_REPLY, help="the reply of the language model")
    arguments = parser.parse_args()
    try:
        local_models.preload(stt=True, tts=True)
    except LocalSpeechUnavailable as error:
        print(f"stand_ins: {error.reason}", file=sys.stderr)
        return 1
    asyncio.run(_serve(arguments.reply))
    return 0


if __name__ == "__main__":
    sys.exit(main())
