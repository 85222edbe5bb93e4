"""Entry point of `python -m worker`, which runs the command `interview-worker`."""

from __future__ import annotations

from worker.cli import main

if __name__ == "__main__":
    main()
