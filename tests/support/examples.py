"""The number of examples that hypothesis tries of a property: fewer in `make unit`."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

#: The profile of `make test`, of CI, and of pytest without an option: every example, and no time
#: limit for one, because an example takes as long as a busy machine lets it.
ALL: Final = "all"
#: The profile of `make unit`: a quarter of the examples.
FEW: Final = "few"
#: The number of examples of a property that says no other number.
USUAL: Final = 100


def register_profiles() -> None:
    """Register both profiles and load `ALL`. The option --hypothesis-profile replaces it later."""
    settings.register_profile(ALL, parent=settings.default, deadline=None, max_examples=USUAL)
    settings.register_profile(FEW, parent=settings.get_profile(ALL), max_examples=USUAL // 4)
    settings.load_profile(ALL)


def examples(most: int) -> int:
    """Return how many of `most` examples to try: all of them, or a quarter in the profile `FEW`."""
    return max(1, most * settings().max_examples // USUAL)
