"""`Lifecycle`: the state machine of one job, with a mailbox and a single owner task.

Callers put events into the mailbox, a queue, and await the reply. One task, the owner, takes the
events from the mailbox; no other task changes the state. The library `transitions` finds the edge
of the state table for each event. When a budget runs out, a timer puts a message into the same
mailbox. The timer's message contains the epoch, which is the number of the state visit whose budget
ran out. The owner drops the timer's message if another visit has begun since then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from states._dispatch import Dispatcher
from states._life_records import record_fault, record_start, record_transition
from states._listeners import Listener, Listeners
from states.conditions import Condition, Conditions
from states.deadline import StateDeadline
from states.ends import End, EndUnknown, check_ends
from states.journal import Journal, MemoryJournal
from states.outcomes import EndReason, Outcome
from states.phases import Phase
from states.table import BUDGETS, HURRIED_CLOSING_S, Edge, Event, State, allowed
from states.transition import IllegalTransition, LifecycleStopped, Transition

logger = logging.getLogger(__name__)

#: If the journal could not be written when a budget expired, the expiry is processed again after
#: this many seconds.
BUDGET_RETRY_S = 1.0


@dataclass(frozen=True)
class _Letter:
    event: Event
    conditions: tuple[Condition, ...] = ()
    reply: asyncio.Future[Transition] | None = None
    #: With BUDGET_SPENT: number of the visit to a state whose time budget ran out. Otherwise None.
    epoch: int | None = None
    #: With APPLICATION_ENDED: the end that the application declared, whose outcome and reason the
    #: job gets. Otherwise None.
    end: End | None = None


class Lifecycle:
    """The lifecycle of one job.

    Use a Lifecycle as an async context manager, or call `start` and `stop`.

    `received_at` is the event loop time at which the job was received; `t` counts from this time.
    `budgets` replaces the table's budgets of single states, in seconds. `ends` are the ends that
    the application declares, by name. Raises EndsInvalid if an end is invalid.
    """

    def __init__(
        self,
        *,
        journal: Journal | None = None,
        budgets: Mapping[State, float] | None = None,
        hurried_closing_s: float = HURRIED_CLOSING_S,
        received_at: float | None = None,
        header: Mapping[str, Any] | None = None,
        ends: Mapping[str, End] | None = None,
    ) -> None:
        self.ends = dict(ends or {})
        check_ends(self.ends)
        self.journal: Journal = journal if journal is not None else MemoryJournal()
        self.budgets = {**BUDGETS, **(budgets or {})}
        self.transitions: list[Transition] = []
        self.conditions = Conditions()
        self.outcome: Outcome | None = None
        self.reason: EndReason | None = None
        self.header = dict(header or {})
        self._received_at = received_at
        self._listeners = Listeners(self._record_fault)
        self._mailbox: asyncio.Queue[_Letter] = asyncio.Queue()
        self._dispatcher = Dispatcher()
        self._epoch = 0
        self._deadline = StateDeadline(self.budgets, hurried_closing_s, self._budget_spent)
        self._owner: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._stopped = False

    # --- reading -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The current state of the job."""
        return self._dispatcher.state

    @property
    def t(self) -> float:
        """Seconds since the job was received, by the event loop's clock, to the microsecond."""
        assert self._received_at is not None  # noqa: S101  # set by start, before any read
        return round(asyncio.get_running_loop().time() - self._received_at, 6)

    @property
    def remaining(self) -> float | None:
        """Seconds left of the current state's budget; None for a state without a budget.

        While the clock of a pausable budget is stopped, the value stays the same.
        """
        return self._deadline.remaining

    async def reached(self, *places: State | Phase) -> State:
        """Wait until the job has entered one of `places`, and return the first state entered.

        Returns immediately if the job has already entered one of `places`. Raises LifecycleStopped
        if the lifecycle stops before the job enters one of `places`.
        """
        while True:
            for transition in self.transitions:
                if transition.enters(*places):
                    return transition.target
            if self._stopped:
                raise LifecycleStopped(*(place.name for place in places))
            await self._changed.wait()

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` in the owner task after every transition, in the transitions' order.

        If the listener raises an exception, the exception is logged and recorded as a fault, and
        the lifecycle and the other listeners continue.
        """
        self._listeners.add(listener)

    # --- running -----------------------------------------------------------------------------

    async def __aenter__(self) -> Lifecycle:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Enter HANDSHAKE and start to process events. Raises RuntimeError on a second call."""
        if self._owner is not None:
            raise RuntimeError("this lifecycle has already been started")
        loop = asyncio.get_running_loop()
        if self._received_at is None:
            self._received_at = loop.time()
        record_start(self.journal, self.t, header=self.header, budgets=self.budgets, ends=self.ends)
        entry = Transition(source=None, event=None, target=self.state, t=self.t)
        record_transition(self.journal, entry)
        self.transitions.append(entry)
        self._deadline.enter(self.state)
        self._owner = asyncio.create_task(self._own(), name="lifecycle-owner")

    async def stop(self) -> None:
        """Stop the processing of events. Calls that still await a reply raise LifecycleStopped."""
        self._stopped = True
        self._deadline.stop()
        try:
            if self._owner is not None:
                self._owner.cancel()
                # Do not await the task directly, because its CancelledError would look like a
                # cancellation of the caller.
                await asyncio.wait([self._owner])
        finally:
            while not self._mailbox.empty():
                letter = self._mailbox.get_nowait()
                if letter.reply is not None and not letter.reply.done():
                    letter.reply.set_exception(LifecycleStopped(letter.event))
            self._changed.set()

    async def fire(self, event: Event, *conditions: Condition) -> Transition:
        """Send `event` with its conditions to the owner task, and return the resulting transition.

        Raises IllegalTransition if the table does not allow the event in the current state,
        EndUnknown for APPLICATION_ENDED in RUNNING (call `end` instead),
        LifecycleStopped if the lifecycle stops before it replies, and JournalError if the journal
        cannot be written, which leaves the state unchanged. If the caller is cancelled, the event
        stays in the mailbox and is processed nevertheless.
        """
        reply: asyncio.Future[Transition] = asyncio.get_running_loop().create_future()
        self._put(_Letter(event, conditions, reply))
        return await reply

    async def end(self, name: str) -> Transition:
        """Fire APPLICATION_ENDED with the declared end `name`, and return the transition.

        Only in RUNNING does the event end the job; in CLOSING the event is only recorded. Raises
        EndUnknown if the application declares no such end, and the errors of `fire`.
        """
        if name not in self.ends:
            raise EndUnknown(name, self.ends)
        reply: asyncio.Future[Transition] = asyncio.get_running_loop().create_future()
        self._put(_Letter(Event.APPLICATION_ENDED, reply=reply, end=self.ends[name]))
        return await reply

    def post(self, event: Event, *conditions: Condition) -> None:
        """Send `event` to the owner task without waiting, for callers that are not coroutines.

        An event that the table does not allow is only logged and recorded as a fault.
        """
        self._put(_Letter(event, conditions))

    def _put(self, letter: _Letter) -> None:
        if self._owner is None or self._stopped:
            if letter.reply is None:
                logger.warning(
                    "the event %s came after the lifecycle had stopped",
                    letter.event,
                    extra={"event": "event_after_stop"},
                )
                return
            raise LifecycleStopped(letter.event)
        self._mailbox.put_nowait(letter)

    def carry_over(self, seconds: float) -> None:
        """Count `seconds` that earlier jobs of the same work have used of the pausable budget.

        Call the method in a state with the pausable budget, or in an earlier state. If the method
        is called several times, the largest value counts. If the budget is used up, the state ends
        at once. Raises JournalError if the journal cannot be written; the budget is then unchanged.
        """
        if not seconds > self._deadline.earlier_s:
            return
        self.journal.append("clock", self.t, state=self.state.value, earlier_s=round(seconds, 3))
        self._deadline.carry_over(self.state, seconds)

    # --- processing of events by the owner task ---------------------------------------------------

    async def _own(self) -> None:
        while True:
            letter = await self._mailbox.get()
            if letter.epoch is not None and letter.epoch != self._epoch:
                continue  # drop the message, which is for the budget of an earlier visit
            try:
                transition = await self._handle(letter)
            except asyncio.CancelledError:
                if letter.reply is not None and not letter.reply.done():
                    letter.reply.set_exception(LifecycleStopped(letter.event))
                raise
            except Exception as error:
                self._answer_with_error(letter, error)
                if letter.epoch is not None:
                    # Try again later. Otherwise a disk that is full when the budget runs out would
                    # keep the job in this state forever.
                    self._deadline.begin(BUDGET_RETRY_S)
                continue
            if letter.reply is not None and not letter.reply.done():
                letter.reply.set_result(transition)
            await self._listeners.tell(transition)

    async def _handle(self, letter: _Letter) -> Transition:
        before = self.state
        candidate = self.conditions
        for condition in letter.conditions:
            candidate = candidate.updated(replace(condition, since=self.t))
        edge = self._dispatcher.edge_for(letter.event, candidate)
        if edge is None:
            raise IllegalTransition(before, letter.event, allowed(before))
        if edge.is_declared:
            if letter.end is None:
                raise EndUnknown(None, self.ends)
            edge = replace(edge, outcome=letter.end.outcome, reason=letter.end.reason)
        target = edge.target or before
        over = target.phase is Phase.OVER
        transition = Transition(
            source=before,
            event=letter.event,
            target=target,
            t=self.t,
            outcome=edge.outcome or (self.outcome if over else None),
            reason=edge.reason or (self.reason if over else None),
        )
        for condition in letter.conditions:
            self.journal.append("condition", self.t, **candidate[condition.resource].as_record())
        record_transition(self.journal, transition)
        # Change the state only now, after the transition was written to the journal.
        self.conditions = candidate
        await self._dispatcher.take(letter.event, candidate)
        self._after(edge, transition)
        return transition

    def _after(self, edge: Edge, transition: Transition) -> None:
        self.transitions.append(transition)
        if edge.outcome is not None:
            self.outcome, self.reason = edge.outcome, edge.reason
        if edge.target is not None:
            self._epoch += 1
        self._deadline.follow(edge)
        self._changed.set()
        self._changed = asyncio.Event()

    def _budget_spent(self) -> None:
        # An event that arrived earlier in the same instant is processed first. If such an event
        # changes the state, the epoch of the message is outdated, and the owner drops the message.
        self._mailbox.put_nowait(_Letter(Event.BUDGET_SPENT, epoch=self._epoch))

    def _record_fault(self, where: str, error: Exception) -> None:
        record_fault(self.journal, self.t, where, error)

    def _answer_with_error(self, letter: _Letter, error: Exception) -> None:
        if letter.reply is not None:
            if not letter.reply.done():
                letter.reply.set_exception(error)
            return
        logger.warning(
            "the event %s was refused: %s",
            letter.event,
            error,
            extra={"event": "lifecycle_event_refused"},
        )
        self._record_fault(f"event {letter.event}", error)
