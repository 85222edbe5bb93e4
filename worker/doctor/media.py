"""Check of the media path: in a test room, one participant speaks and another one listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit import rtc
from livekit.rtc._proto import stats_pb2

from worker.doctor.finding import Finding, fine, warning, wrong
from worker.doctor.livekit import unused_name
from worker.env.proxies import proxy_for, tell_sdk
from worker.livekit_api.errors import LiveKitError
from worker.simulation.audio_analysis import SAMPLE_RATE
from worker.simulation.room_candidate import Candidate, CandidateTimeout

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm
    from worker.doctor.context import CheckContext
    from worker.livekit_api.client import LiveKitClient

#: Timeout of the whole check in seconds, including the connections.
MEDIA_S: Final = 10.0
#: Maximum seconds until the listener must have received the sound.
_HEARD_S: Final = 4.0
_SOUND_S: Final = 0.6
#: Seconds after which the server closes the empty test room, in case this process is killed.
_ROOM_LEFT_S: Final = 20

#: Minimum timeout in seconds of the cleanup while the cleanup waits for unfinished joins.
_JOIN_ENDS_S: Final = 2.0
#: Seconds between two deletions of the test room. Between two deletions, a cancelled join may reach
#: the server and so create the room again.
_JOIN_S: Final = 0.3
#: Maximum number of deletions of the test room.
_REMOVALS: Final = 3

#: Part of the message of the SDK's error if the signalling connection failed (livekit 1.1.21).
_SIGNALLING: Final = "signal failure"
#: Advice that names the UDP ports that must be open (from livekit-server's config-sample.yaml).
UDP_PORTS: Final = "open UDP 50000-60000 (or rtc.udp_port) from here to the server"
#: Advice that names all ports that must be open, including TCP for networks without UDP.
PORTS: Final = f"{UDP_PORTS}; for networks without UDP, TCP 7881 (rtc.tcp_port) or TURN"


@dataclass(frozen=True, kw_only=True)
class Way:
    """The network path of the media in one direction.

    `protocol` is "udp" or "tcp". `relayed` is True if the path leads through a TURN server.
    """

    protocol: str
    relayed: bool
    round_trip_ms: float


async def check_media(visit: CheckContext) -> Finding:
    """Join a test room with two participants, and send a sound from one to the other."""
    room = f"doctor-{unused_name()}"
    tell_sdk(visit.settings.livekit_url)
    # Register the cleanup first, because a call that is cancelled may have created the room.
    visit.afterwards(lambda: _remove(visit.livekit, room))
    try:
        await visit.livekit.create_room(
            room, empty_timeout_s=_ROOM_LEFT_S, departure_timeout_s=_ROOM_LEFT_S
        )
        return await _speak_and_hear(visit, room)
    except LiveKitError as error:
        return wrong(f"cannot create a room ({error})", "check the server's log")
    except rtc.ConnectError as error:
        return _not_joined(error, proxied=proxy_for(visit.settings.livekit_url) is not None)
    except CandidateTimeout as error:
        return wrong(f"joined the room, but no audio arrived ({error})", PORTS)


def _not_joined(error: rtc.ConnectError, *, proxied: bool) -> Finding:
    if proxied and _SIGNALLING in str(error):
        return wrong(
            "cannot join the room: no signalling connection through the proxy",
            "see network.proxy above, and the log of the proxy; it must pass CONNECT",
        )
    return wrong("cannot join the room: no media connection", PORTS)


async def _remove(livekit: LiveKitClient, room: str) -> None:
    """Delete the room repeatedly, because a join that has not finished creates the room again."""
    for nth in range(_REMOVALS):
        was_there = await livekit.delete_room(room)
        if nth and not was_there:
            return
        await asyncio.sleep(_JOIN_S)


async def _speak_and_hear(visit: CheckContext, room: str) -> Finding:
    speaker, listener = (
        Candidate(
            visit.livekit.url,
            visit.livekit.candidate_token(room=room, identity=name, ttl_s=60),
            microphone=name == "speaker",
        )
        for name in ("speaker", "listener")
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    await _join(visit, speaker, listener)
    connected_s = loop.time() - began
    await listener.wait_for_interviewer(timeout_s=_HEARD_S)
    said_at_s = listener.now_s
    saying = asyncio.create_task(speaker.say(sound(), SAMPLE_RATE))
    try:
        heard_at_s = await listener.wait_for_sound(since_s=said_at_s, timeout_s=_HEARD_S)
    finally:
        saying.cancel()
        await asyncio.wait({saying})
    out = ways((await speaker.rtc_stats()).publisher_stats)
    back = ways((await listener.rtc_stats()).subscriber_stats)
    return judge(out + back, connected_ms=round(connected_s * 1000), heard_s=heard_at_s - said_at_s)


async def _join(visit: CheckContext, *candidates: Candidate) -> None:
    """Join the room with all candidates, and register a cleanup in which they leave.

    Raises the error of the first join that failed.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + MEDIA_S
    joins = (candidate.join() for candidate in candidates)
    joining = asyncio.gather(*joins, return_exceptions=True)

    async def leave() -> None:
        # Wait until the joins have ended: the SDK continues a cancelled join, and if the room's
        # resources are released before the join ends, the SDK panics and ends the process
        # (SIGTERM).
        await asyncio.wait({joining}, timeout=max(_JOIN_ENDS_S, give_up - loop.time()))
        await asyncio.gather(*(candidate.leave() for candidate in candidates))

    visit.afterwards(leave, budget_s=MEDIA_S + _JOIN_ENDS_S)
    for result in await asyncio.shield(joining):
        if isinstance(result, BaseException):
            raise result


def judge(found: Sequence[Way], *, connected_ms: int, heard_s: float) -> Finding:
    """Return the finding for media that arrived: a warning if the ICE connection uses TCP."""
    heard_ms = round(heard_s * 1000)
    protocols = sorted({way.protocol for way in found})
    relayed = any(way.relayed for way in found)
    facts: dict[str, Any] = {
        "connected_ms": connected_ms,
        "heard_ms": heard_ms,
        "protocols": protocols,
        "relayed": relayed,
    }
    if found:
        facts["round_trip_ms"] = round(max(way.round_trip_ms for way in found), 1)
    over = f"over {' and '.join(protocols).upper()}" if protocols else "over an unknown protocol"
    through = " through TURN" if relayed else ""
    line = f"joined in {connected_ms} ms, sound received after {heard_ms} ms, {over}{through}"
    if "tcp" in protocols:
        advice = f"interviews work, with more delay when packets are lost: {UDP_PORTS}"
        return warning(line, advice, **facts)
    return fine(line, **facts)


def ways(stats: Sequence[stats_pb2.RtcStats]) -> list[Way]:
    """Return the network paths in use, from the SDK's statistics; empty if none is reported."""
    by_id = {
        getattr(each, kind).rtc.id: getattr(each, kind)
        for each in stats
        if (kind := each.WhichOneof("stats")) in ("candidate_pair", "local_candidate", "transport")
    }
    selected = [
        entry.transport.selected_candidate_pair_id
        for entry in by_id.values()
        if isinstance(entry, stats_pb2.RtcStats.Transport)
    ]
    found = []
    for pair_id in filter(None, selected):
        pair = by_id.get(pair_id)
        if not isinstance(pair, stats_pb2.RtcStats.CandidatePair):
            continue
        local = by_id.get(pair.candidate_pair.local_candidate_id)
        if isinstance(local, stats_pb2.RtcStats.LocalCandidate):
            found.append(_way(pair.candidate_pair, local.candidate))
    return found


def _way(pair: Any, local: Any) -> Way:
    relayed = local.candidate_type == stats_pb2.IceCandidateType.RELAY
    protocol = local.protocol.lower()
    if relayed and local.relay_protocol != stats_pb2.IceServerTransportProtocol.TRANSPORT_UDP:
        # Report the protocol between this machine and the TURN server, which is TCP or TLS here.
        # `local.protocol` is the protocol on the other side of the TURN server.
        protocol = "tcp"
    return Way(
        protocol=protocol,
        relayed=relayed,
        round_trip_ms=pair.current_round_trip_time * 1000,
    )


def sound() -> Pcm:
    """Return a tone whose volume changes like syllables, so that no codec treats it as noise."""
    at = np.arange(round(_SOUND_S * SAMPLE_RATE)) / SAMPLE_RATE
    syllables = np.sin(2 * np.pi * 4 * at)
    tone: Pcm = (np.sin(2 * np.pi * 440 * at) * syllables * 12_000).astype(np.int16)
    return tone
