"""The lifecycle of a job: its state table, the state machine, and the journal.

The package can be imported without LiveKit, audio libraries and PostgreSQL.
"""

from __future__ import annotations

from states.conditions import Condition, Conditions, Status
from states.ends import End, EndUnknown, check_ends, edges_with
from states.file_journal import FileJournal
from states.history import History
from states.journal import Journal, JournalError, MemoryJournal
from states.machine import Lifecycle
from states.outcomes import EndReason, Outcome, Reason
from states.phases import Phase
from states.table import BUDGETS, EDGES, Edge, Event, State
from states.transition import IllegalTransition, Transition

__all__ = [
    "BUDGETS",
    "EDGES",
    "Condition",
    "Conditions",
    "Edge",
    "End",
    "EndReason",
    "EndUnknown",
    "Event",
    "FileJournal",
    "History",
    "IllegalTransition",
    "Journal",
    "JournalError",
    "Lifecycle",
    "MemoryJournal",
    "Outcome",
    "Phase",
    "Reason",
    "State",
    "Status",
    "Transition",
    "check_ends",
    "edges_with",
]
