"""Limits of the database connections of a process, and the current numbers of connections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """Limits of the database connections of one process. All times are in seconds."""

    #: Maximum number of permanent connections.
    size: int = 5
    #: Maximum number of additional connections, which are opened only while all permanent
    #: connections are in use.
    overflow: int = 5
    #: Number of permanent connections that stay open however long they are idle. A process that
    #: runs one operation at a time needs one connection, and a second one while it stores a job's
    #: records.
    lasting: int = 2
    #: Idle time after which permanent connections beyond `lasting` are closed. Without this limit
    #: each job would keep all of them open after a slow minute.
    idle_s: float = 60.0
    connect_timeout_s: float = 5.0
    acquire_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    #: Idle time after which a connection is verified at its next use; 0 to verify it at every use.
    #: A new connection is not verified.
    verify_after_idle_s: float = 0.0
    #: Timeout for verifying a connection, for ending an unfinished transaction, and for releasing a
    #: connection. A verification may also take at most half of the operation's time budget.
    verify_timeout_s: float = 1.0
    #: Idle time after which an additional connection is closed.
    overflow_idle_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Use of the pool: the number of open connections, how many are idle, and the maximum."""

    connections: int
    idle: int
    most: int
