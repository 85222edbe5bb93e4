"""The listeners of a lifecycle, which are called after every transition."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from states.transition import Transition

logger = logging.getLogger(__name__)

Listener = Callable[[Transition], Awaitable[None] | None]


class Listeners:
    """Calls listeners in the order in which they were added.

    If a listener raises an error, `record_fault` is called with the word "listener" and the error.
    """

    def __init__(self, record_fault: Callable[[str, Exception], None]) -> None:
        self._record_fault = record_fault
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Call `listener` after every following transition."""
        self._listeners.append(listener)

    async def tell(self, transition: Transition) -> None:
        """Call every listener.

        If a listener raises an error, the other listeners are still called.
        """
        for listener in self._listeners:
            try:
                result = listener(transition)
                if result is not None:
                    await result
            except Exception as error:
                logger.exception(
                    "a listener failed on %s",
                    transition.event,
                    extra={"event": "transition_listener_failed"},
                )
                self._record_fault("listener", error)
