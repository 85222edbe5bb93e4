"""Encrypted dispatch metadata: who can read it, and what becomes of changed metadata."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual.job_parts import settings_in
from tests.support.virtual.stored_interview import stored_interview
from worker.continuity import metadata_cipher
from worker.continuity.dispatch_metadata import (
    MAX_METADATA_BYTES,
    compose,
    has_newer_protocol,
    metadata_after,
    read_metadata,
    read_turns,
)
from worker.continuity.metadata_cipher import InterviewKey, MetadataLocked, WorkerKeys
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.interviews import Interview

KEY: Final = "a-key-of-the-workers-with-enough-characters"
OTHER: Final = "another-key-of-the-workers-as-long-as-that"
ROOM, NAME = "room-1", "iv-1"
PLAIN: Final = json.dumps({"interview_id": NAME, "protocol": 1, "plan": {"title": "Größe"}})
#: Characters that JSON does not escape. Random text of these characters can hardly be compressed.
CHARACTERS: Final = "".join(chr(each) for each in range(32, 127) if chr(each) not in '"\\')
#: Length of a text that fits into metadata, and does not when it is encrypted.
NEARLY_ALL: Final = MAX_METADATA_BYTES * 97 // 100


def encrypted(metadata: str = PLAIN, *, key: str = KEY, room: str = ROOM, name: str = NAME) -> str:
    return WorkerKeys(key).for_interview(room, name).encrypt(metadata)


def random_text(length: int) -> str:
    return "".join(CHARACTERS[each % len(CHARACTERS)] for each in secrets.token_bytes(length))


def interview_of(plan: dict[str, Any]) -> Interview:
    return stored_interview(interview_id=NAME, room=ROOM, plan=plan)


# --- who can read it ------------------------------------------------------------------------------


@given(
    plan=st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=5),
    room=st.text(min_size=1, max_size=40),
)
def test_every_worker_with_the_key_reads_what_was_encrypted(
    plan: dict[str, str], room: str
) -> None:
    plain = json.dumps({"interview_id": NAME, "plan": plan})
    assert WorkerKeys(KEY).decrypt(encrypted(plain, room=room), room=room) == plain


def test_metadata_of_another_interview_than_the_readable_one_is_locked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job has the key of its own interview, and may encrypt anything with it."""
    other = json.dumps({"interview_id": "iv-2"})
    key = WorkerKeys(KEY).for_interview(ROOM, NAME)
    with monkeypatch.context() as patch:
        patch.setattr(metadata_cipher, "_object_in", lambda _: {"interview_id": NAME})
        forged = key.encrypt(other)
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(forged, room=ROOM)


def test_only_the_id_and_the_protocol_are_readable() -> None:
    data = json.loads(encrypted())
    assert data.keys() == {"interview_id", "protocol", "encrypted"}
    assert (data["interview_id"], data["protocol"]) == (NAME, 1)
    assert "Größe" not in encrypted()


def test_a_reader_without_the_key_finds_the_interview_and_no_plan() -> None:
    """A worker of version 0.1.0 reads the plan from the database."""
    assert read_metadata(encrypted()) == (NAME, None)
    assert read_turns(encrypted()) == []
    newer = json.dumps({"interview_id": NAME, "protocol": PROTOCOL + 1, "plan": {}})
    assert has_newer_protocol(encrypted(newer))


def test_the_same_metadata_is_never_encrypted_to_the_same_text() -> None:
    assert len({encrypted() for _ in range(10)}) == 10


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "this is no JSON",
        "[" * 100_000 + "encrypted",
        '["encrypted"]',
        PLAIN,
        '{"interview_id": "iv-1", "plan": {"title": "encrypted"}}',
        '{"interview_id": "iv-1", "encrypted": {"an": "object"}}',
        '{"encrypted": "v1.AAAA"}',
    ],
    ids=["empty", "no JSON", "deep", "a list", "plain", "in the plan", "no text", "no interview"],
)
def test_plain_metadata_stays_as_it_is(metadata: str) -> None:
    """As in version 0.1.0, and in dispatches that an operator sends."""
    assert WorkerKeys(KEY).decrypt(metadata, room=ROOM) == metadata
    assert WorkerKeys("").decrypt(metadata, room=ROOM) == metadata


def test_without_the_key_the_metadata_stays_closed() -> None:
    for keys in (WorkerKeys(OTHER), WorkerKeys(""), WorkerKeys(OTHER, [KEY + "x"])):
        with pytest.raises(MetadataLocked) as caught:
            keys.decrypt(encrypted(), room=ROOM)
        assert "INTERVIEW_METADATA_KEY" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_former_key_decrypts_and_does_not_encrypt() -> None:
    keys = WorkerKeys(OTHER, ["", KEY])
    assert keys.decrypt(encrypted(), room=ROOM) == PLAIN
    sealed = keys.for_interview(ROOM, NAME).encrypt(PLAIN)
    assert WorkerKeys(OTHER).decrypt(sealed, room=ROOM) == PLAIN
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(sealed, room=ROOM)


def test_the_key_of_an_interview_is_of_no_use_for_another_interview_or_room() -> None:
    given_to_job = WorkerKeys(KEY).for_interview(ROOM, NAME).to_text()
    own = InterviewKey.from_text(given_to_job, room=ROOM, interview_id=NAME)
    assert WorkerKeys(KEY).decrypt(own.encrypt(PLAIN), room=ROOM) == PLAIN
    for room, name in (("room-2", NAME), (ROOM, "iv-2")):
        forged = InterviewKey.from_text(given_to_job, room=room, interview_id=name)
        plain = json.dumps({"interview_id": name})
        with pytest.raises(MetadataLocked):
            WorkerKeys(KEY).decrypt(forged.encrypt(plain), room=room)


def test_a_key_encrypts_metadata_of_its_own_interview_alone() -> None:
    key = WorkerKeys(KEY).for_interview(ROOM, NAME)
    for metadata in ("", "[]", json.dumps({"interview_id": "iv-2"})):
        with pytest.raises(ValueError, match="another interview than the key"):
            key.encrypt(metadata)


def test_without_a_key_nothing_is_encrypted() -> None:
    with pytest.raises(ValueError, match="LIVEKIT_API_SECRET"):
        WorkerKeys("").for_interview(ROOM, NAME)


def test_the_text_of_a_key_shows_no_secret() -> None:
    key = WorkerKeys(KEY).for_interview(ROOM, NAME)
    assert key.to_text() not in repr(key)
    assert repr(key.secret) not in repr(key)


# --- changed metadata -----------------------------------------------------------------------------


@given(place=st.integers(min_value=0), flipped=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_noticed(place: int, flipped: int) -> None:
    data = json.loads(encrypted())
    raw = bytearray(base64.b64decode(data["encrypted"].removeprefix("v1.")))
    raw[place % len(raw)] ^= flipped
    data["encrypted"] = "v1." + base64.b64encode(raw).decode()
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(json.dumps(data), room=ROOM)


@given(end=st.integers(min_value=0, max_value=200))
def test_metadata_that_is_cut_off_is_noticed(end: int) -> None:
    data = json.loads(encrypted())
    data["encrypted"] = data["encrypted"][: end % len(data["encrypted"])]
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(json.dumps(data), room=ROOM)


@given(text=st.text())
def test_any_text_in_place_of_the_encrypted_part_is_refused(text: str) -> None:
    for begin in ("", "v1.", "v2."):
        metadata = json.dumps({"interview_id": NAME, "encrypted": begin + text})
        with pytest.raises(MetadataLocked):
            WorkerKeys(KEY).decrypt(metadata, room=ROOM)


def test_the_part_of_one_interview_does_not_open_as_that_of_another() -> None:
    data = json.loads(encrypted()) | {"interview_id": "iv-2"}
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(json.dumps(data), room=ROOM)


def test_the_metadata_of_one_room_does_not_open_in_another() -> None:
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(encrypted(room="room-2"), room=ROOM)


def test_metadata_that_grows_beyond_the_limit_is_refused() -> None:
    longest = MAX_METADATA_BYTES - len(PLAIN.encode())
    fits = json.dumps({"interview_id": NAME, "protocol": 1, "plan": {"title": "x" * longest}})
    fits = fits[:-2] + " " * (MAX_METADATA_BYTES - len(fits)) + fits[-2:]
    assert len(fits) == MAX_METADATA_BYTES
    assert WorkerKeys(KEY).decrypt(encrypted(fits), room=ROOM) == fits
    with pytest.raises(MetadataLocked):
        WorkerKeys(KEY).decrypt(encrypted(fits + " "), room=ROOM)


# --- size -----------------------------------------------------------------------------------------


def test_a_plan_is_left_out_if_its_encrypted_form_is_too_large() -> None:
    """Text that cannot be compressed becomes longer."""
    seal = WorkerKeys(KEY).for_interview(ROOM, NAME).encrypt
    for length, carries in ((NEARLY_ALL // 2, True), (NEARLY_ALL, False)):
        sent = compose(interview_of({"title": random_text(length)}), seal=seal)
        assert sent.carries_plan is carries
        assert len(sent.text) <= MAX_METADATA_BYTES
        plain = WorkerKeys(KEY).decrypt(sent.text, room=ROOM)
        assert ("plan" in json.loads(plain)) is carries


def test_turns_that_do_not_fit_encrypted_are_left_out_before_the_plan() -> None:
    seal = WorkerKeys(KEY).for_interview(ROOM, NAME).encrypt
    turns = [{"speaker": "candidate", "text": random_text(NEARLY_ALL)}]
    sent = metadata_after(
        interview_of({"title": "short"}), job_id="AJ_1", why="NotTaken", turns=turns, seal=seal
    )
    plain = WorkerKeys(KEY).decrypt(sent, room=ROOM)
    assert read_metadata(plain) == (NAME, {"title": "short"})
    assert read_turns(plain) == []


# --- the settings ---------------------------------------------------------------------------------


def test_without_a_key_of_its_own_the_api_secret_is_the_key(tmp_path: Path) -> None:
    keys = WorkerKeys.of(settings_in(tmp_path, LIVEKIT_API_SECRET=KEY))
    assert WorkerKeys(KEY).decrypt(keys.seal(interview_of({}))(PLAIN), room=ROOM) == PLAIN


def test_a_key_of_its_own_encrypts_and_the_api_secret_still_decrypts(tmp_path: Path) -> None:
    keys = WorkerKeys.of(
        settings_in(tmp_path, LIVEKIT_API_SECRET=KEY, INTERVIEW_METADATA_KEY=OTHER)
    )
    assert WorkerKeys(OTHER).decrypt(keys.seal(interview_of({}))(PLAIN), room=ROOM) == PLAIN
    assert keys.decrypt(encrypted(), room=ROOM) == PLAIN


def test_former_keys_are_separated_by_commas(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path, LIVEKIT_API_SECRET="s" * 32, INTERVIEW_METADATA_OLD_KEYS=f"{OTHER}, {KEY} ,"
    )
    for key in (KEY, OTHER):
        assert WorkerKeys.of(settings).decrypt(encrypted(key=key), room=ROOM) == PLAIN
