"""Base class of the parts of a plan: strict checks, and the JSON form without unset keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field
from types import MappingProxyType
from typing import Any, Final

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from worker.interview.plan.validation import WRONG_VALUE, printable_key

_PROTOCOL: Final = "protocol"
#: Metadata of a key that workers of protocol 1 do not know. Such a key is left out of the JSON form
#: if its value is the default, so that these workers can hold an interview whose plan sets no such
#: key.
PROTOCOL_2: Final[Mapping[str, int]] = MappingProxyType({_PROTOCOL: 2})


class Checked:
    """Base class that makes pydantic check the data of a dataclass strictly."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: object) -> object:
        """Treat a known key without a value as absent. Refuse data other than a mapping."""
        known = cls.keys()
        if not isinstance(data, Mapping):
            noun = "key" if len(known) == 1 else "keys"
            sentence = f"must be a mapping with the {noun} {', '.join(known)}"
            raise PydanticCustomError(WRONG_VALUE, sentence)
        given = {k: value for k, value in data.items() if value is not None or k not in known}
        return {printable_key(key): value for key, value in given.items()}

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys that a mapping for this class may have."""
        return tuple(cls._fields())

    @classmethod
    def _fields(cls) -> dict[str, Field[Any]]:
        fields: dict[str, Field[Any]] = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return fields  # of the subclasses, which are dataclasses

    def as_data(self) -> dict[str, Any]:
        """Return the JSON data. A key that is not set is left out (see `PROTOCOL_2`)."""
        return {field.name: _data(getattr(self, field.name)) for field in self._set_fields()}

    def protocol(self) -> int:
        """Return the lowest protocol version of a worker that knows every key that is set."""
        own = (int(field.metadata.get(_PROTOCOL, 1)) for field in self._set_fields())
        return max((*own, *(part.protocol() for part in self._parts())), default=1)

    def _set_fields(self) -> Iterator[Field[Any]]:
        for field in self._fields().values():
            value = getattr(self, field.name)
            is_unset = _PROTOCOL in field.metadata and value == _default_of(field)
            if value is not None and not is_unset:
                yield field

    def _parts(self) -> Iterator[Checked]:
        for field in self._set_fields():
            value = getattr(self, field.name)
            entries = value if isinstance(value, tuple) else (value,)
            yield from (entry for entry in entries if isinstance(entry, Checked))


def _default_of(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _data(value: object) -> object:
    match value:
        case Checked():
            return value.as_data()
        case tuple():
            return [_data(entry) for entry in value]
        case Mapping():
            return dict(value)
        case _:
            return value
