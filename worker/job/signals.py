"""The signals that a worker's main process sends to its job processes.

Job processes ignore SIGTERM, which also reaches them from a process group, a container runtime or
an operator, and react to these alone.
"""

from __future__ import annotations

import signal
from typing import Final

#: End the interview: the worker shuts down.
SHUTDOWN_SIGNAL: Final = signal.SIGUSR2
#: Hand the interview over: the worker shuts down, and another worker has a free slot.
HANDOVER_SIGNAL: Final = signal.SIGRTMIN
