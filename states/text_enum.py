"""`TextEnum`: an enum of words, each with a text that says what the word stands for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class TextEnum(StrEnum):
    """A StrEnum whose members have a text besides the value: `NAME = "value", "The text."`."""

    text: str

    # Every member has a text. The default is only for type checkers, so that they accept a look-up
    # by value.
    def __new__(cls, value: str, text: str = "") -> Self:
        """Create a member with the attribute `text`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member
