"""What the candidate has said since the last turn was taken."""

from __future__ import annotations

from livekit.agents import UserInputTranscribedEvent


class HalfAnswer:
    """An answer that is being given: the session drops it where it ends first."""

    def __init__(self) -> None:
        self._finals: list[str] = []
        self._interim = ""

    def hear(self, event: UserInputTranscribedEvent) -> None:
        """Take what was understood so far."""
        if event.is_final:
            self._finals.append(event.transcript)
            self._interim = ""
        else:
            self._interim = event.transcript

    @property
    def pieces(self) -> int:
        """How many pieces of it are final."""
        return len(self._finals)

    def taken(self, pieces: int) -> None:
        """So many pieces have become a turn; what came after them begins the next one."""
        del self._finals[:pieces]
        if not self._finals:
            self._interim = ""

    @property
    def text(self) -> str:
        """All of it, what is not final yet included."""
        return " ".join(part for text in (*self._finals, self._interim) if (part := text.strip()))
