"""`interview-worker --version`: the version, the database schema, and livekit-agents."""

from __future__ import annotations

from importlib import metadata

from worker.store.schema import generation, known_migrations


def version_line() -> str:
    """Return the versions in one line.

    Workers of the same schema generation can share a database. The version of livekit-agents is
    read from the metadata of the installed package, because its import takes seconds.
    """
    newest = known_migrations()[-1].version
    return (
        f"interview-worker {metadata.version('interview-worker')}"
        f" (schema generation {generation(newest)}, migration {newest:04},"
        f" livekit-agents {metadata.version('livekit-agents')})"
    )
