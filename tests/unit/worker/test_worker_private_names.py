"""The private parts of LiveKit that the worker uses, on the installed version."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from asyncpg.connresource import ConnectionResource
from livekit import rtc
from livekit.agents import AgentServer, JobContext
from livekit.agents.ipc import inference_executor
from livekit.agents.ipc.job_proc_executor import ProcJobExecutor
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.ipc.supervised_proc import SupervisedProc
from livekit.agents.job import RunningJobInfo
from livekit.plugins import elevenlabs
from livekit.rtc._proto.room_pb2 import RoomEvent

from tests.support.paths import REPOSITORY
from worker.audio.ffi_capture import capture_via_ffi
from worker.audio.frames import frame_of
from worker.server import agent_server
from worker.speech.tts.elevenlabs_reconnect import abandoned_connection
from worker.transport import room_guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER: Final = "worker/server/agent_server.py"
PAGE: Final = REPOSITORY / "docs/explanation/livekit-internals.md"
#: Python's own names with an underscore, and attributes of this project's own classes.
OURS: Final = {
    "_current_frames",
    "_exit",
    "_replace",
    "_value_",
    "_write",
    "_loading",
    "_telling",
    "_transition",
    "_step",
    "_condition",
    "_turn",
    "_fault",
}

#: An attribute or a module that begins with one underscore, of something else than `self`.
MAY_BE_PRIVATE: Final = re.compile(r"(?<!\bself)(?<!\bcls)\s*\.\s*_[^_]")


def private_uses(module: Path) -> Iterator[str]:
    """The private names that a module takes from elsewhere: attributes, and modules."""
    text = module.read_text(encoding="utf-8")
    # Parse only files that may use one.
    if not MAY_BE_PRIVATE.search(text):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and re.search(r"\._", node.module or ""):
            yield str(node.module)
        elif (
            isinstance(node, ast.Attribute)
            and re.match(r"_[^_]", node.attr)
            and ast.unparse(node.value) not in ("self", "cls")
            and node.attr not in OURS
        ):
            yield node.attr


def test_private_names_are_used_in_the_files_that_the_page_lists_and_nowhere_else() -> None:
    using = {
        str(module.relative_to(REPOSITORY))
        for module in (REPOSITORY / "worker").rglob("*.py")
        if any(private_uses(module))
    }
    # This one keeps the name in a string, since Python mangles it.
    using.add("worker/speech/tts/elevenlabs_reconnect.py")
    assert using == set(re.findall(r"\]\(\.\./\.\./(worker/[\w/]+\.py)\)", PAGE.read_text("utf-8")))


def test_every_private_name_is_in_the_row_of_its_file() -> None:
    rows = {
        found[1]: row
        for row in PAGE.read_text("utf-8").splitlines()
        if (found := re.match(r"\| \[(worker/[\w/]+\.py)\]", row))
    }
    missing = {
        (file, name)
        for file, row in rows.items()
        for name in private_uses(REPOSITORY / file)
        if not re.search(rf"(?<![a-z]){re.escape(name.removeprefix('livekit.'))}\b", row)
    }
    # The subclass reaches these through `self`, like its own names.
    ours = inspect.getsource(agent_server.JobServer)
    theirs = inspect.getsource(AgentServer)
    for name in set(re.findall(r"self\.(_[a-z]\w+)", ours)):
        if re.search(rf"self\.{name}\b", theirs) and not re.search(rf"\b{name}`", rows[SERVER]):
            missing.add((SERVER, name))
    assert not missing


def test_a_prepared_statement_of_asyncpg_knows_when_its_connection_was_given_back() -> None:
    check = inspect.getsource(ConnectionResource._check_conn_validity)
    assert "self._con_release_ctr" in check
    assert "_pool_release_ctr" in check


def test_the_agent_server_has_what_its_subclass_uses() -> None:
    server, source = AgentServer(), inspect.getsource(AgentServer)
    for name in (
        *("_lock", "_draining", "_connecting", "_connection_failed"),
        *("_api_key", "_api_secret"),
    ):
        assert hasattr(server, name), name
    for name in (
        "_connection_task",
        "_update_worker_status",
        "_refresh_worker_load",
        "_queue_msg",
    ):
        assert inspect.iscoroutinefunction(getattr(server, name)), name
    # `JobServer` waits for the first process in this task, without the lock of `run`.
    assert "self._connection_task()" in source
    # Every process is made by this context.
    assert source.count("mp_ctx=self._mp_ctx") == 2
    assert "self._mp_ctx.Process(" in inspect.getsource(ProcJobExecutor)
    # `JobServer` replaces the token of a job before the framework gives it to a process.
    assert "self._handle_assignment(server_msg.assignment)" in source
    assert "token=job_assign.token" in source
    # Read for each connection, so that a rotated key is used by the next one.
    connecting = inspect.getsource(AgentServer._connection_task)
    assert "api.AccessToken(self._api_key, self._api_secret)" in connecting
    # `JobServer.__setattr__` replaces the HTTP server, and removes it before it is started.
    made = source.index("self._http_server = http_server.HttpServer(")
    routes = source.rindex("self._http_server.app.add_routes(")
    removed = source.index("self._conn_task: asyncio.Task[None] | None = None")
    assert made < routes < removed < source.index("await self._http_server.start()")
    assert source.count("if self._http_server is not None:") == 2
    # `run` creates these attributes. `JobServer.__setattr__` waits for `_proc_pool`.
    for name in ("_proc_pool", "_job_lifecycle_tasks", "_worker_load"):
        assert re.search(rf"self\.{name}(: .+)? = ", source), name


def test_the_process_pool_has_what_tries_again_uses() -> None:
    source = inspect.getsource(ProcPool)
    assert "_warmed_proc_queue" in source
    assert "_spawn_tasks" in source
    # `start` waits for this event alone.
    assert "self._idle_ready.wait()" in inspect.getsource(ProcPool.start)
    assert inspect.iscoroutinefunction(ProcPool._proc_spawn_task)
    assert "_initialize_fut" in inspect.getsource(SupervisedProc)
    assert inference_executor is not None


def test_a_process_answers_the_requests_of_its_job_with_its_executor() -> None:
    source = inspect.getsource(ProcJobExecutor._do_inference_task)
    assert "await self._inference_executor.do_inference(inf_req.method, inf_req.data)" in source
    # Emitted with the process before it starts.
    pool = inspect.getsource(ProcPool)
    assert pool.index('self.emit("process_created", proc)') < pool.index("await proc.start()")


def test_a_job_that_is_offered_is_the_one_that_the_process_gets() -> None:
    """The main process writes the rights of a job into it."""
    source = inspect.getsource(AgentServer._answer_availability)
    assert "JobRequest(job=msg.job," in source
    assert "job=msg.job,\n                url=" in source


def test_a_jobs_context_knows_its_launch_and_waits_for_tasks() -> None:
    assert {"received_at", "accept_arguments"} <= set(RunningJobInfo.__dataclass_fields__)
    assert "self._info = " in inspect.getsource(JobContext.__init__)
    assert callable(JobContext._track_pending_task)


async def test_a_room_has_what_its_guard_uses() -> None:
    room = rtc.Room()
    assert room._text_stream_handlers == {}
    assert room._byte_stream_handlers == {}
    room.on("data_received", print)
    assert list(room._events["data_received"]) == [print]
    # The guard replaces this method of one room, so the SDK must look it up for each event.
    assert "self._on_room_event(event.room_event)" in inspect.getsource(rtc.Room._listen_task)
    assert "await self._room.connect(" in inspect.getsource(JobContext.connect)
    names = set(RoomEvent.DESCRIPTOR.fields_by_name)
    assert names >= room_guard._MESSAGES | room_guard._PARTS
    handled = inspect.getsource(rtc.Room._on_room_event)
    assert [name for name in room_guard._PARTS if name in handled] == []


async def test_a_frame_is_captured_without_the_event_loop() -> None:
    source = rtc.AudioSource(24_000, 1)
    capture_via_ffi(source, frame_of(np.zeros(480, np.int16), 24_000))
    assert source.queued_duration == 0.0  # counted by `capture_frame` alone
    await source.aclose()


async def test_the_websocket_of_elevenlabs_is_taken_from_it() -> None:
    class Connection:
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    engine, connection = elevenlabs.TTS(api_key="key"), Connection()
    assert abandoned_connection(engine) is None
    # The plugin's own name for it; a renamed one would leave the connection in use.
    assert "__current_connection" in inspect.getsource(elevenlabs.tts.TTS)
    engine._TTS__current_connection = connection  # type: ignore[attr-defined]  # mangled
    closing = abandoned_connection(engine)
    assert closing is not None
    await asyncio.wait_for(closing, 1)
    assert connection.closed
    await engine.aclose()


@pytest.mark.parametrize(
    "name", ["livekit.plugins.silero.onnx_model", "livekit.rtc._proto.stats_pb2"]
)
def test_the_modules_without_a_public_name_are_there(name: str) -> None:
    module = importlib.import_module(name)
    assert hasattr(module, "OnnxModel") or hasattr(module, "RtcStats")
