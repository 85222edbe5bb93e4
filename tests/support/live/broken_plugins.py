"""Faulty plugins for the worker's processes, injected through a folder on PYTHONPATH.

Each one shadows the real plugin of its name, loads it, and changes one thing in it. The worker's
own code has no hook for this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_REAL = """
import importlib.util
import sys
from pathlib import Path

_here = Path(__file__).resolve()
_real = next(
    path
    for entry in sys.path
    if (path := Path(entry or ".").resolve() / "livekit/plugins/{name}/__init__.py").is_file()
    and path != _here
)
_spec = importlib.util.spec_from_file_location(
    __name__, _real, submodule_search_locations=[str(_real.parent)]
)
__path__ = [str(_real.parent)]
exec(compile(_real.read_text(), _real, "exec"))
"""

#: Silero that fails to load in the forkserver, and does `{then}` before it loads in a job.
_SILERO = """
import threading, time

_load = VAD.load

def load(*args, **kwargs):
    if threading.current_thread() is threading.main_thread():
        raise RuntimeError("not before the fork")
    {then}
    return _load(*args, **kwargs)

VAD.load = load
"""

SILERO_LATE = _SILERO.replace("{then}", "time.sleep(6)")
SILERO_HANGS = _SILERO.replace("{then}", "threading.Event().wait()")
SILERO_RAISES = "def __getattr__(name):\n    raise RuntimeError('broken')\n"

#: Silero whose streams all fail while the file `{mark}` exists.
_BREAKS = """
from pathlib import Path as _Path

_next = VADStream.__anext__

async def __anext__(self):
    event = await _next(self)
    if _Path({mark}).exists():
        raise RuntimeError("broken")
    return event

VADStream.__anext__ = __anext__
"""


def silero_breaks_while(mark: Path) -> str:
    """Return the source of a Silero that fails while this file exists."""
    return _BREAKS.replace("{mark}", repr(str(mark)))


#: The first `{times}` instances of a class in a process fail; later ones work.
_NOT_AT_FIRST = """
_real_class, _times = {cls}, [0]

def {cls}(*args, **kwargs):
    _times[0] += 1
    if _times[0] <= {times}:
        raise OSError("not yet")
    return _real_class(*args, **kwargs)
"""


def not_at_first(cls: str, times: int) -> str:
    """Return the source of a plugin whose class fails in its first `times` constructions."""
    return _NOT_AT_FIRST.replace("{cls}", cls).replace("{times}", str(times))


def shadow(folder: Path, name: str, change: str, *, real: bool = True) -> None:
    """Write a changed plugin into a folder for PYTHONPATH."""
    plugin = folder / "livekit" / "plugins" / name
    plugin.mkdir(parents=True)
    source = _REAL.replace("{name}", name) if real else ""
    (plugin / "__init__.py").write_text(source + change)
