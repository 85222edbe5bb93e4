"""A stand-in for LiveKit's server API: who is in a room, and dispatches, in a fixed time.

It answers the calls with which a worker brings an interviewer back: ListRooms, ListParticipants,
RemoveParticipant, CreateDispatch, DeleteDispatch and ListDispatch. Any other call is refused as
unimplemented. It checks no key.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web
from livekit import api

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: Called with the room and the metadata of a dispatch.
Dispatched = Callable[[str, str], Coroutine[Any, Any, None]]

_HOST: Final = "127.0.0.1"
#: Seconds that aiohttp waits for its handlers at the end.
_SHUTDOWN_S: Final = 0.1
#: Connections that may wait to be accepted: an old client opens one for each call.
_BACKLOG: Final = 1024


class LiveKitStandIn:
    """A server that answers each call after `answer_s` seconds. Use it as an async context manager.

    Args:
        answer_s: Seconds until a call is answered.
    """

    def __init__(self, *, answer_s: float) -> None:
        self._answer_s = answer_s
        #: Identities of the participants of each room. A room without an entry does not exist.
        self.people: dict[str, set[str]] = {}
        #: Time of the first dispatch to each room, by the event loop's clock.
        self.dispatched_at: dict[str, float] = {}
        #: Number of calls by method.
        self.calls: dict[str, int] = {}
        #: Called for each dispatch, in a task of its own, once the call is answered.
        self.on_dispatch: Dispatched | None = None
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = contextlib.AsyncExitStack()
        self._port = 0
        self._methods: Mapping[str, Callable[[bytes], Message | None]] = {
            "livekit.RoomService/ListRooms": self._list_rooms,
            "livekit.RoomService/ListParticipants": self._list_participants,
            "livekit.RoomService/RemoveParticipant": self._remove_participant,
            "livekit.AgentDispatchService/CreateDispatch": self._create_dispatch,
            "livekit.AgentDispatchService/DeleteDispatch": self._delete_dispatch,
            "livekit.AgentDispatchService/ListDispatch": self._list_dispatch,
        }

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://{_HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/twirp/{service}/{method}", self._call)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, _HOST, 0, backlog=_BACKLOG)
        await site.start()
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._open.aclose()

    async def _call(self, request: web.Request) -> web.Response:
        service, name = request.match_info["service"], request.match_info["method"]
        self.calls[name] = self.calls.get(name, 0) + 1
        body = await request.read()
        await asyncio.sleep(self._answer_s)
        method = self._methods.get(f"{service}/{name}")
        if method is None:
            return _refused("unimplemented", 501)
        answer = method(body)
        if answer is None:
            return _refused("not_found", 404)
        return web.Response(body=answer.SerializeToString(), content_type="application/protobuf")

    def _list_rooms(self, body: bytes) -> Message:
        names = list(api.ListRoomsRequest.FromString(body).names) or list(self.people)
        return api.ListRoomsResponse(
            rooms=[
                api.Room(name=name, num_participants=len(self.people[name]))
                for name in names
                if name in self.people
            ]
        )

    def _list_participants(self, body: bytes) -> Message | None:
        people = self.people.get(api.ListParticipantsRequest.FromString(body).room)
        if people is None:
            return None
        return api.ListParticipantsResponse(
            participants=[
                api.ParticipantInfo(identity=identity, state=api.ParticipantInfo.ACTIVE)
                for identity in people
            ]
        )

    def _remove_participant(self, body: bytes) -> Message | None:
        asked = api.RoomParticipantIdentity.FromString(body)
        people = self.people.get(asked.room, set())
        if asked.identity not in people:
            return None
        people.discard(asked.identity)
        return api.RemoveParticipantResponse()

    def _create_dispatch(self, body: bytes) -> Message:
        asked = api.CreateAgentDispatchRequest.FromString(body)
        self.dispatched_at.setdefault(asked.room, asyncio.get_running_loop().time())
        if self.on_dispatch is not None:
            task = asyncio.create_task(self.on_dispatch(asked.room, asked.metadata))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return api.AgentDispatch(
            id=f"AD_{next(self._numbers)}",
            room=asked.room,
            agent_name=asked.agent_name,
            metadata=asked.metadata,
        )

    def _delete_dispatch(self, body: bytes) -> Message:
        asked = api.DeleteAgentDispatchRequest.FromString(body)
        return api.AgentDispatch(id=asked.dispatch_id, room=asked.room)

    def _list_dispatch(self, body: bytes) -> Message:
        return api.ListAgentDispatchResponse()


def _refused(code: str, status: int) -> web.Response:
    return web.json_response({"code": code, "msg": code}, status=status)
