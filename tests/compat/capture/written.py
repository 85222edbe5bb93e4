"""Writes a fixture's folder."""

from __future__ import annotations

import json
import lzma
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from states import History
from states.journal import read_records
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import read_follows, read_metadata, read_turns
from worker.interview.plan.plan import Plan
from worker.interview.spoken_lines import planned_lines
from worker.interview.turn_codec import from_json
from worker.speech.tts.cache import name_of, voices_of
from worker.speech.tts.fallback_stream import sentences_of
from worker.store.embedded.layout import Layout, programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.compat.capture.world import World

#: How many prepared sentences are kept, the shortest ones: one second is 48 kB.
_SENTENCES = 3


class Fixture:
    """The folder of one version: what each method is given is one part of it."""

    def __init__(self, folder: Path, world: World) -> None:
        self._folder = folder
        self._world = world
        self._layout = Layout.of(world.folder / "data")
        self._programs = programs(self._layout)
        self._commands: list[dict[str, Any]] = []

    # --- what was printed -------------------------------------------------------------------------

    def command(
        self, name: str, arguments: Sequence[str], done: subprocess.CompletedProcess[str]
    ) -> str:
        """Keep a command's standard output as it is, and its exit code."""
        _write(self._folder / "commands" / f"{name}.json", done.stdout.encode())
        self._commands.append(
            {"name": name, "arguments": list(arguments), "exit_code": done.returncode}
        )
        write_json(self._folder / "commands" / "index.json", self._commands)
        return done.stdout

    def metrics(self, page: bytes) -> None:
        """Keep the metrics page."""
        _write(self._folder / "metrics.txt", page)

    # --- what was stored --------------------------------------------------------------------------

    def dump(self) -> None:
        """Dump the database as plain SQL."""
        command = [str(self._programs / "pg_dump"), self._world.database_url, "--no-owner"]
        dumped = subprocess.run(command, capture_output=True, check=True)
        _write(self._folder / "database.sql", dumped.stdout)

    def journals(self) -> None:
        """Keep the journals of all jobs, with what this version reads in them."""
        world = self._world.folder
        index = [
            self._journal(path, "whole" if History.read(path).exited else "without_end")
            for path in sorted(world.glob("*/journals/**/*.jsonl"))
        ]
        left = sorted((world / "without_end").glob("*.jsonl"))
        index += [self._journal(path, "without_end") for path in left]
        whole = max(index, key=lambda each: len(each["turns"]))["file"]
        index += [self._torn(whole), self._damaged(whole)]
        write_json(self._folder / "journals" / "index.json", index)

    def _journal(self, path: Path, kind: str) -> dict[str, Any]:
        kept = self._folder / "journals" / kind / path.name
        _write(kept, path.read_bytes())
        return {"file": f"{kind}/{path.name}", "kind": kind, **as_read(History.read(kept))}

    def _torn(self, whole: str) -> dict[str, Any]:
        """A copy that ends in the middle of its last line, as after a power failure."""
        path = self._folder / "journals" / whole
        lines = path.read_bytes().splitlines(keepends=True)[:-1]
        torn = self._folder / "journals" / "torn" / path.name
        _write(torn, b"".join(lines)[: -len(lines[-1]) // 2])
        return {"file": f"torn/{path.name}", "kind": "torn", **as_read(History.read(torn))}

    def _damaged(self, whole: str) -> dict[str, Any]:
        """A copy with a line in its middle that is no record."""
        path = self._folder / "journals" / whole
        lines = path.read_bytes().splitlines(keepends=True)
        lines[len(lines) // 2] = b"\0" * 40 + b"\n"
        damaged = self._folder / "journals" / "damaged" / path.name
        _write(damaged, b"".join(lines))
        found = read_records(damaged, pass_over_damage=True)
        rest = as_read(History.from_records(found.records))
        return {"file": f"damaged/{path.name}", "kind": "damaged", **rest}

    def dispatch_metadata(self) -> None:
        """Keep the metadata of dispatches."""
        folder, index = self._folder / "dispatch_metadata", {}
        for name, text in self._world.metadata.items():
            _write(folder / f"{name}.json", text.encode())
            index[name] = metadata_as_read(text)
        write_json(folder / "index.json", index)

    def speech(self, plan: Plan) -> None:
        """Keep the shortest sentences that were prepared in the local voice."""
        cache = self._world.folder / "data" / "speech"
        voice = voices_of(Settings())["local"]
        sentences = [each for line in planned_lines(plan) for each in sentences_of(line)]
        files = {sentence: cache / f"{name_of(voice, sentence)}.speech" for sentence in sentences}
        there = {sentence: path for sentence, path in files.items() if path.exists()}
        kept = sorted(there, key=lambda sentence: there[sentence].stat().st_size)[:_SENTENCES]
        for sentence in kept:
            _write(self._folder / "speech" / there[sentence].name, there[sentence].read_bytes())
        described = {"provider": "local", "voice": vars(voice), "sentences": kept}
        write_json(self._folder / "speech" / "index.json", described)

    def data_folder(self, rows: dict[str, int]) -> None:
        """Pack the stopped PostgreSQL, without the write-ahead log that it does not need."""
        cluster = self._layout.cluster
        shown = subprocess.run(
            [self._programs / "pg_controldata", cluster], capture_output=True, text=True, check=True
        ).stdout
        facts = dict(line.split(":", 1) for line in shown.splitlines())
        assert facts["Database cluster state"].strip() == "shut down"
        needed = facts["Latest checkpoint's REDO WAL file"].strip()

        def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            path = Path(member.name)
            unneeded = path.parent.name == "pg_wal" and member.isfile() and path.name != needed
            if unneeded or path.name == "postmaster.opts":
                return None
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            return member

        packed = self._folder / "data_folder.tar.xz"
        # A dictionary that holds all three databases, whose catalogues are nearly the same.
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
        with (
            lzma.open(packed, "wb", filters=filters) as file,
            tarfile.open(fileobj=file, mode="w") as archive,
        ):
            archive.add(cluster, "postgres", filter=chosen)
        write_json(self._folder / "data_folder.json", {"rows": rows})


def as_read(history: History) -> dict[str, Any]:
    """What this version reads in a journal."""
    return {
        "job_id": history.header.get("job_id"),
        "interview_id": history.header.get("interview_id"),
        "path": list(history.path),
        "outcome": history.outcome,
        "reason": history.reason,
        "exited": history.exited,
        "exit_code": history.exit_code,
        "signal": history.signal,
        "torn_bytes": history.torn_bytes,
        "turns": [[turn.speaker, turn.text] for turn in history.turns],
        "steps": [step.name for step in history.steps],
        "faults": [[str(fault["where"]), str(fault["error"])] for fault in history.faults],
        "lost": sorted({c.resource for c in history.condition_changes if c.status == "lost"}),
    }


def metadata_as_read(text: str) -> dict[str, Any]:
    """What this version reads in a dispatch's metadata."""
    interview_id, plan = read_metadata(text)
    turns = [[turn.speaker, turn.text, turn.question_id] for turn in from_json(read_turns(text))]
    return {
        "interview_id": interview_id,
        "plan": plan and Plan.from_json(plan).to_json(),
        "follows": dict(read_follows(text)),
        "turns": turns,
    }


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs."""
    _write(path, (json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
