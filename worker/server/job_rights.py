"""The tokens and keys that the main process gives a job, so that the job needs no API secret.

A job gets the plain metadata of its dispatch, a token for its own room, and the key of its own
interview as parts of the job that livekit-agents hands to the process. To get a new token, the job
uses livekit-agents' channel for requests of a job to the main process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from worker.continuity.dispatch_metadata import read_metadata
from worker.continuity.metadata_cipher import WorkerKeys
from worker.livekit_api.job_access import METADATA_KEY, ROOM_TOKEN
from worker.livekit_api.room_client import room_token
from worker.server.room_token import with_room_options

if TYPE_CHECKING:
    from livekit.agents.ipc.inference_executor import InferenceExecutor
    from livekit.agents.ipc.proc_pool import ProcPool
    from livekit.protocol import agent

    from worker.config.settings import Settings
    from worker.livekit_api.room_options import RoomOptions


class JobRights:
    """Makes the tokens and keys of jobs from the secrets in the settings."""

    def __init__(self, settings: Settings) -> None:
        self._keys = WorkerKeys("")
        #: All API secrets that this worker has used so far, newest first.
        self._secrets: tuple[str, ...] = ()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Use the secrets of these settings from now on.

        Earlier secrets stay valid in this worker until it ends, because running jobs encrypt
        dispatches with the keys that they got at their start, and LiveKit signs the tokens of jobs
        with the key of the open connection.
        """
        self._keys = WorkerKeys.of(settings).after(self._keys)
        self._key = settings.livekit_api_key
        self._secret = settings.livekit_api_secret.get_secret_value()
        self._secrets = tuple(dict.fromkeys(filter(None, (self._secret, *self._secrets))))

    def equip(self, job: agent.Job) -> None:
        """Decrypt the metadata of a job that LiveKit offers, and add the job's token and key.

        Raises MetadataLocked if the metadata is encrypted, and no key of this worker decrypts it.
        """
        room = job.room.name
        job.metadata = self._keys.decrypt(job.metadata, room=room)
        job.attributes[ROOM_TOKEN] = self.room_token(room)
        job.attributes[METADATA_KEY] = self._interview_key(job.metadata, room)

    def job_token(self, token: str, options: RoomOptions) -> str:
        """Return LiveKit's token for a job, with room options added (`with_room_options`)."""
        return next(
            (
                changed
                for secret in self._secrets
                if (changed := with_room_options(token, secret, options)) != token
            ),
            token,
        )

    def room_token(self, room: str) -> str:
        """Return a token for the calls about this room; empty without an API secret."""
        if not (self._key and self._secret):
            return ""  # without a secret the worker cannot register either
        return room_token(self._key, self._secret, room)

    def watch(self, pool: ProcPool) -> None:
        """Answer the requests of the processes of `pool`.

        Call this method before the pool creates a process.
        """
        pool.on("process_created", self._answer)

    def _answer(self, proc: Any) -> None:
        others = getattr(proc, "_inference_executor", None)  # private in livekit-agents
        # Private in livekit-agents.
        proc._inference_executor = JobRequests(proc, self.room_token, others)

    def _interview_key(self, metadata: str, room: str) -> str:
        """Return the key of the interview that the plain metadata names; empty if there is none."""
        try:
            interview_id, _ = read_metadata(metadata)
            return self._keys.for_interview(room, interview_id).to_text()
        except ValueError:  # MetadataInvalid, or no key is set and dispatches are not encrypted
            return ""


class JobRequests:
    """Answers one job process's requests for a room token, and passes on its other requests.

    Args:
        proc: The job process, an object of livekit-agents.
        token: Returns a token for a room.
        others: Serves all other requests; None if other requests are refused.
    """

    def __init__(
        self, proc: Any, token: Callable[[str], str], others: InferenceExecutor | None
    ) -> None:
        self._proc = proc
        self._token = token
        self._others = others

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Answer a request. A process can get only a token for the room of its own job.

        Raises RuntimeError, whose text the job gets, if the process has no job or nothing serves
        the request.
        """
        if method == ROOM_TOKEN:
            if (running := self._proc.running_job) is None:
                raise RuntimeError("the process has no job")
            return self._token(running.job.room.name).encode()
        if self._others is None:
            raise RuntimeError("no inference executor")
        return await self._others.do_inference(method, data)
