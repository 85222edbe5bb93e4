"""Store a journal's records, without those that the database refuses for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from states import JournalError
from worker.store.errors import DatabaseError, DatabaseOperationFailed
from worker.store.jobs import Shipped
from worker.store.schema import SchemaDiffers

Records: TypeAlias = Sequence[Mapping[str, Any]]
#: Stores records of one job in one transaction: `store.jobs.ship` with its first two arguments.
Store: TypeAlias = Callable[[Records], Awaitable[Shipped]]

#: Maximum number of refused records that an error or a log line names.
NAMED: Final = 20
#: If the database refuses this number of records and accepts none, the cause is assumed to be the
#: database and not the content of the records.
_CONVINCING: Final = 100
#: SQLSTATEs of a refusal that depends on the content of a record, as prefixes or whole codes. Other
#: SQLSTATEs, such as those of a missing privilege or table (42), would concern every record, and a
#: person must repair the cause.
_ABOUT_CONTENT: Final = (
    "22",  # data exception: a number is out of range, or an argument cannot be encoded
    "23",  # integrity constraint violation
    "54",  # program limit exceeded: nested too deeply, or too large
    "P0001",  # an exception that a trigger raises
)


@dataclass(frozen=True, kw_only=True)
class RefusedRecord:
    """A record that the database refuses even if it is stored alone."""

    record: Mapping[str, Any]
    #: Why the database refuses the record, without any content of the record.
    problem: str

    @property
    def seq(self) -> int | None:
        """The record's sequence number in its journal; None if the record has no number."""
        seq = self.record.get("seq")
        return seq if isinstance(seq, int) else None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Result of storing records: the number of new records, and the records that were refused."""

    written: int
    refused: tuple[RefusedRecord, ...]

    @classmethod
    def of(cls, shipped: Shipped, records: Records) -> Stored:
        """Return the result for records that were stored in one transaction."""
        refused = (
            RefusedRecord(record=records[index], problem=f"its {field} is missing or wrong")
            for index, field in shipped.refused
        )
        return cls(written=shipped.written, refused=tuple(refused))


class RecordsRefused(JournalError):
    """Raised if the database refused records of a journal. All other records are stored.

    Attributes:
        written: Number of records that are new in the database.
        seqs: Numbers of the refused records, at most `NAMED`.
    """

    def __init__(self, job_id: str, *, written: int, refused: Sequence[RefusedRecord]) -> None:
        self.written = written
        self.seqs = [each.seq for each in refused[:NAMED]]
        numbers = ", ".join(str(seq) for seq in self.seqs)
        more = ", ..." if len(refused) > NAMED else ""
        super().__init__(
            f"the database refused {len(refused)} records of job {job_id} (seq {numbers}{more}):"
            f" {refused[0].problem}; all other records are stored"
        )


def is_refused(error: Exception) -> bool:
    """Return whether records were refused because of their content, so that a retry is useless.

    Records that this process cannot convert to a statement count as refused too.
    """
    if isinstance(error, DatabaseOperationFailed):
        state = getattr(error.cause, "sqlstate", None)
        return str(state or "").startswith(_ABOUT_CONTENT)
    return not isinstance(error, (DatabaseError, SchemaDiffers))


def shown(error: Exception) -> str:
    """Return an error's text for a log; for an error of another project, only the type.

    The text of an error that another project defines may quote personal data.
    """
    ours = (DatabaseError, SchemaDiffers)
    return str(error) if isinstance(error, ours) else type(error).__name__


async def store_all_but_refused(store: Store, records: Records) -> Stored:
    """Store records in their order; leave out each record that the database refuses even alone.

    If the database refuses the records together, each half is stored separately, a refused half is
    divided again, and so on. Storing 500 records, of which the database refuses one record, takes
    about twenty transactions. Raises the error of the database if the database is unavailable,
    refuses all records, or refuses the first `_CONVINCING` records, because then the content of the
    records is not the cause.
    """
    try:
        return Stored.of(await store(records), records)
    except Exception as error:
        if not is_refused(error):
            raise
    await store([])  # if even the job's row cannot be stored, no record is the cause
    written = accepted = 0
    refused: list[RefusedRecord] = []
    parts = [records]
    while parts:
        part = parts.pop()
        try:
            stored = Stored.of(await store(part), part)
        except Exception as error:
            if not is_refused(error):
                raise
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            if not accepted and len(refused) + 1 == min(len(records), _CONVINCING):
                raise
            refused.append(RefusedRecord(record=part[0], problem=shown(error)))
        else:
            written += stored.written
            accepted += len(part) - len(stored.refused)
            refused += stored.refused
    return Stored(written=written, refused=tuple(refused))
