"""Encrypts the metadata of dispatches, so that the LiveKit server cannot read plans and turns.

Encrypted metadata is a JSON object: `interview_id` and `protocol`, as in plain metadata, and
`encrypted`. The field `encrypted` has the whole plain metadata, compressed, encrypted with AES-GCM,
and written as base64. `interview_id` and `protocol` stay readable for workers of version 0.1.0,
which then read the plan from the database. Plain metadata, as in a dispatch of version 0.1.0 or of
an operator, is accepted unchanged.

From the key of the workers (`WorkerKeys`), a separate key (`InterviewKey`) is derived for each
interview and room. Therefore encrypted metadata cannot be used for another interview or room, and a
job needs only the key of its own interview to dispatch its successor.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from worker.continuity.dispatch_metadata import MAX_METADATA_BYTES, Seal

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.store.interviews import Interview

#: Name of the JSON field with the encrypted part of the metadata.
ENCRYPTED: Final = "encrypted"
#: Prefix of the encrypted text, which names the version of its format.
_FORMAT: Final = "v1."
#: Length of an AES-256 key, in bytes.
_KEY_BYTES: Final = 32
#: Length of the nonce of AES-GCM, in bytes (NIST SP 800-38D).
_NONCE_BYTES: Final = 12


class MetadataLocked(Exception):
    """Raised if metadata is encrypted, and no key of this worker decrypts it."""

    def __init__(self) -> None:
        super().__init__(
            "the dispatch is encrypted with a key that this worker does not have, or was changed;"
            " give all workers and commands the same INTERVIEW_METADATA_KEY, or without it the same"
            " LIVEKIT_API_SECRET"
        )


@dataclass(frozen=True, kw_only=True)
class InterviewKey:
    """The key that encrypts the metadata of one interview's dispatches to one room."""

    room: str
    interview_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def derived(cls, key: str, *, room: str, interview_id: str) -> Self:
        """Derive the key of an interview from a key of the workers, with HKDF (RFC 5869)."""
        derive = HKDF(
            algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_bound(room, interview_id)
        )
        return cls(room=room, interview_id=interview_id, secret=derive.derive(key.encode()))

    @classmethod
    def from_text(cls, text: str, *, room: str, interview_id: str) -> Self:
        """Return the key that `to_text` has written. Raises ValueError if the text is no key."""
        return cls(room=room, interview_id=interview_id, secret=bytes.fromhex(text))

    def to_text(self) -> str:
        """Return the secret as text, for the job that holds the interview."""
        return self.secret.hex()

    def encrypt(self, metadata: str) -> str:
        """Return encrypted metadata for plain metadata of this interview.

        Raises ValueError if the metadata belongs to another interview.
        """
        data = _object_in(metadata)
        if data is None or data.get("interview_id") != self.interview_id:
            raise ValueError("the metadata belongs to another interview than the key")
        nonce = os.urandom(_NONCE_BYTES)
        packed = zlib.compress(metadata.encode())
        hidden = AESGCM(self.secret).encrypt(nonce, packed, _bound(self.room, self.interview_id))
        text = _FORMAT + base64.b64encode(nonce + hidden).decode()
        readable = {name: data[name] for name in ("interview_id", "protocol") if name in data}
        return json.dumps({**readable, ENCRYPTED: text})

    def decrypt(self, text: str) -> str | None:
        """Decrypt the text of the field `encrypted`; return None if the key is wrong."""
        if not text.startswith(_FORMAT):
            return None
        try:
            raw = base64.b64decode(text.removeprefix(_FORMAT), validate=True)
            packed = AESGCM(self.secret).decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(self.room, self.interview_id)
            )
            return _unpacked(packed)
        except (InvalidTag, ValueError, zlib.error):
            return None


class WorkerKeys:
    """The keys of the workers: one key that encrypts, and all keys that decrypt.

    Args:
        current: The key that encrypts. All workers and commands use the same key.
        former: Keys that only decrypt.
    """

    def __init__(self, current: str, former: Sequence[str] = ()) -> None:
        self._current = current
        #: The keys that decrypt, the current one first.
        self.all = tuple(dict.fromkeys(key for key in (current, *former) if key))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the keys of the settings.

        The key is INTERVIEW_METADATA_KEY, or LIVEKIT_API_SECRET if INTERVIEW_METADATA_KEY is not
        set. LIVEKIT_API_SECRET always decrypts too, because a sender who has this secret can send
        plain dispatches anyway.
        """
        own = settings.metadata_key.get_secret_value()
        secret = settings.livekit_api_secret.get_secret_value()
        former = settings.metadata_old_keys.get_secret_value().split(",")
        return cls(own or secret, (secret, *map(str.strip, former)))

    def after(self, others: WorkerKeys) -> WorkerKeys:
        """Return these keys together with the keys of `others`, which then only decrypt."""
        return WorkerKeys(self._current, (*self.all, *others.all))

    def for_interview(self, room: str, interview_id: str) -> InterviewKey:
        """Return the key that encrypts the dispatches of an interview to a room.

        Raises ValueError if there is no key.
        """
        if not self._current:
            raise ValueError("neither INTERVIEW_METADATA_KEY nor LIVEKIT_API_SECRET is set")
        return InterviewKey.derived(self._current, room=room, interview_id=interview_id)

    def seal(self, interview: Interview) -> Seal:
        """Return the function that encrypts an interview's dispatches.

        Raises ValueError without a key.
        """
        return self.for_interview(interview.room, interview.interview_id).encrypt

    def decrypt(self, metadata: str, *, room: str) -> str:
        """Return the plain metadata of a dispatch to a room. Plain metadata is returned unchanged.

        Raises MetadataLocked if encrypted metadata has another key, belongs to another room or
        interview, or was changed.
        """
        data = _object_in(metadata) if ENCRYPTED in metadata else None
        interview_id = data.get("interview_id") if data is not None else None
        text = data.get(ENCRYPTED) if data is not None else None
        if not isinstance(interview_id, str) or not isinstance(text, str):
            return metadata
        for key in self.all:
            found = InterviewKey.derived(key, room=room, interview_id=interview_id).decrypt(text)
            if found is not None:
                if (_object_in(found) or {}).get("interview_id") != interview_id:
                    break  # the encrypted text names another interview than the readable part
                return found
        raise MetadataLocked


def _bound(room: str, interview_id: str) -> bytes:
    """Return a unique text for a room and an interview, to bind keys and data to both."""
    return json.dumps(["interview-worker dispatch metadata", 1, room, interview_id]).encode()


def _object_in(metadata: str) -> Mapping[str, Any] | None:
    """Parse the metadata as a JSON object; return None if it is anything else."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _unpacked(packed: bytes) -> str:
    """Return the decompressed text.

    Raises ValueError if the text is longer than metadata can be.
    """
    unpacking = zlib.decompressobj()
    # Allow one byte more than the maximum, because the decompressor needs it to find the end of
    # metadata of maximum length.
    plain = unpacking.decompress(packed, MAX_METADATA_BYTES + 1)
    if not unpacking.eof or len(plain) > MAX_METADATA_BYTES:
        raise ValueError("the metadata is too long or cut off")
    return plain.decode()
