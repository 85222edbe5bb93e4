"""`python -m benchmarks.attacker URL TOKEN [attack]`: a candidate in a process of its own.

In one process with other candidates, an attacker would make their microphones stutter.
"""

from __future__ import annotations

import asyncio
import sys

from tests.support.live.attack import Attack
from worker.simulation.room_candidate import Candidate

#: Seconds between two attacks. Without a pause, this process alone would use a whole processor of
#: this machine. In production, an attacker uses another machine.
_PAUSE_S = 10.0


async def stay(url: str, token: str, *, attacks: bool) -> None:
    """Join a room and stay until the process is killed, silent or with repeated attacks.

    An attacker joins again for each attack, and so has again the right to publish data that it lost
    in the attack before.
    """
    while attacks:
        async with Candidate(url, token) as candidate:
            attack = Attack(candidate)
            await attack.much_of_everything()
            await attack.many_messages()
            await attack.aclose()
        await asyncio.sleep(_PAUSE_S)
    async with Candidate(url, token):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(stay(sys.argv[1], sys.argv[2], attacks=sys.argv[3:] == ["attack"]))
