"""`python -m states.render DIRECTORY` writes the drawings of diagrams/."""

from __future__ import annotations

import argparse
from pathlib import Path

from states.render import drawings


def main() -> None:
    """Write the drawings into a folder and name each file."""
    parser = argparse.ArgumentParser(prog="python -m states.render", description=__doc__)
    parser.add_argument("directory", type=Path, help="made if it is not there")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in drawings().items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")
        print(directory / name)


if __name__ == "__main__":
    main()
