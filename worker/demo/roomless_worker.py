"""A worker that holds one interview without a LiveKit server.

The room and the metadata of the interview are given on the command line. The job reaches its
candidate over a Unix socket (`worker.transport.local_socket`). Everything else is the same as in
every worker: the forkserver and its preloaded modules, the process of the job, the exit code, the
journal, and the ingestion of the journal.

    python -m worker.demo.roomless_worker ROOM METADATA
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Final

from livekit.protocol import models

from worker.config.settings import Settings
from worker.server.worker import Worker
from worker.telemetry.logs import configure_logs

# Not __name__, because __name__ is "__main__" when this module is run with `python -m`.
logger = logging.getLogger("worker.demo.roomless_worker")

#: The log message of a worker whose job has a process.
LAUNCHED: Final = "interview started without a room"


class RoomlessWorker(Worker):
    """A worker that holds one interview without a room, and then runs until it is stopped.

    Args:
        settings: The settings of the worker. The LiveKit settings are not used.
        room: The name of the interview's room. No room with this name exists.
        metadata: The metadata that a dispatch of the interview would carry.
    """

    def __init__(self, settings: Settings, *, room: str, metadata: str) -> None:
        super().__init__(settings)
        # Without LiveKit, a job is created only from a room, so the room carries the metadata.
        self._room = models.Room(name=room, metadata=metadata)
        self._launching: asyncio.Task[None] | None = None

    async def _reach_livekit(self) -> None:
        """Do nothing, because this worker has no LiveKit server."""

    async def _serve(self) -> None:
        self.server.on("worker_started", self._launch_soon)
        await self.server.run(unregistered=True)

    def _launch_soon(self) -> None:
        self._launching = asyncio.create_task(self._launch(), name="launch")

    async def _launch(self) -> None:
        try:
            await self.server.simulate_job(self._room.name, fake_job=True, room_info=self._room)
        except Exception:
            logger.exception(
                "interview failed to start", extra={"event": "roomless_interview_failed"}
            )
            self.stop()
        else:
            logger.info(LAUNCHED, extra={"event": "roomless_interview_started"})


def main() -> None:
    """Run one worker until SIGTERM. The arguments are the room and the metadata."""
    room, metadata = sys.argv[1:]
    settings = Settings.load()
    configure_logs(settings)
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(RoomlessWorker(settings, room=room, metadata=metadata).run())


if __name__ == "__main__":
    main()
