"""The signals that a worker's main process sends to its job processes.

Job processes react only to the signals of this module. Job processes ignore SIGTERM, because it may
reach a job process by accident, from a process group, a container runtime or an operator.
"""

from __future__ import annotations

import signal
from typing import Final

#: Tells a job to end its interview, because the worker shuts down.
SHUTDOWN_SIGNAL: Final = signal.SIGUSR2
#: Tells a job to hand its interview over, because the worker shuts down and another worker has a
#: free slot. The signal is SIGURG on a platform without SIGRTMIN, such as macOS: neither
#: livekit-agents nor the kernel sends SIGURG, and a process ignores it by default (signal(7)).
HANDOVER_SIGNAL: Final[signal.Signals] = getattr(signal, "SIGRTMIN", signal.SIGURG)
