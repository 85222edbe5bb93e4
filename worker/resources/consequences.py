"""What the loss of each resource means: the sentences in the legends of the diagrams.

Each `Resource` declares what its own loss means. The journal is not a `Resource`, because no loader
opens it. Therefore this module declares what the loss of the journal means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from worker.journal import resilient
from worker.resources.resource import Consequence, Resource

JOURNAL_LOSS: Final = (
    "Records are kept in memory and stored in the database, and on the disk once it accepts them."
)
JOURNAL_CONSEQUENCE: Final = Consequence(noticed="Nothing.")


def meanings(resources: Iterable[Resource] = ()) -> dict[str, str]:
    """Return the sentences on the loss of each resource and of the journal, by resource name."""
    return {
        **{resource.name: resource.loss for resource in resources},
        resilient.RESOURCE: JOURNAL_LOSS,
    }
