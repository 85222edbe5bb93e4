"""The interviews that belong to a worker: all with its agent name and its LiveKit server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Newest protocol of interviews and dispatches that this version understands. A worker leaves an
#: interview alone whose protocol is newer. Protocol 2 is that of an interview whose plan has a key
#: that workers of protocol 1 do not know.
PROTOCOL: Final = 2
#: Protocol of an interview that workers of every version can hold.
FIRST_PROTOCOL: Final = 1


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The interviews that one worker may redispatch and end."""

    #: Agent name whose dispatches the worker takes.
    agent_name: str
    #: Address or name of the worker's LiveKit server, in the form that workers store.
    livekit: str
    #: True if rows without an agent name and a LiveKit server belong to the worker. Such rows come
    #: from an earlier version, or were created without a dispatch. Only workers of the interview
    #: application take such rows.
    takes_unnamed: bool

    @property
    def parameters(self) -> tuple[str, str, bool]:
        """The values of the query parameters of `in_scope`, in the order of its arguments."""
        return self.agent_name, self.livekit, self.takes_unnamed

    @property
    def duty(self) -> str:
        """Name of the leader lock: one worker of each scope searches for orphaned interviews."""
        return f"watch {self.agent_name}@{self.livekit}"


def in_scope(agent_name: str, livekit: str, takes_unnamed: str) -> str:
    """Return the SQL condition that a row of `interviews` belongs to a worker.

    The arguments are placeholders of query parameters, such as `$1`.
    """
    return (
        f"(interviews.agent_name = {agent_name}"
        f" OR interviews.agent_name IS NULL AND {takes_unnamed})"
        f" AND (interviews.livekit_url = {livekit}"
        f" OR interviews.livekit_url IS NULL AND {takes_unnamed})"
        f" AND interviews.protocol <= {PROTOCOL}"
    )
