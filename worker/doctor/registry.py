"""The list of all checks. There is one check for each provider in the fallback chains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from worker.config.settings import Settings
from worker.doctor import (
    conflicts,
    database,
    database_jobs,
    database_tls,
    host,
    livekit,
    media,
    models,
    network,
    private_files,
    providers,
    rights,
    system,
)
from worker.doctor.runner import Check

_DISK_LATE: Final = "the disk of INTERVIEW_DATA_DIR does not answer: check its mount"
_DATABASE_LATE: Final = "check what the server waits for (locks, its disk), and the network"
_NETWORK_LATE: Final = "a firewall may drop the packets: check the address and the port"

#: All checks except those of the providers. A check comes after the checks that it needs.
CHECKS: Final = (
    Check(
        name="settings",
        what="settings that contradict each other",
        run=conflicts.check_settings,
    ),
    Check(
        name="settings.file",
        what="the file of settings that INTERVIEW_ENV_FILE names",
        run=network.check_env_file,
    ),
    Check(name="settings.secrets", what="secrets from files", run=network.check_secrets),
    Check(
        name="network.proxy",
        what="what goes through a proxy of the environment",
        run=network.check_proxy,
    ),
    Check(
        name="livekit.url",
        what="scheme, host name, connection and certificate",
        run=livekit.check_livekit_url,
        late=_NETWORK_LATE,
    ),
    Check(
        name="livekit.clock",
        what="this machine's clock compared with the server's",
        run=livekit.check_clock,
        needs=("livekit.url",),
    ),
    Check(
        name="livekit.key",
        what="API key and secret",
        run=livekit.check_key,
        needs=("livekit.url",),
    ),
    Check(
        name="livekit.dispatches",
        what="the key that encrypts dispatches",
        run=rights.check_dispatch_key,
        needs=("livekit.key",),
    ),
    Check(
        name="livekit.worker",
        what="registration as a worker, and the server's version",
        run=livekit.check_registration,
        late="let the proxy in front of the server pass WebSockets to /agent",
        needs=("livekit.key",),
    ),
    Check(
        name="livekit.public_url",
        what="the address for candidates",
        run=network.check_public_url,
        late=_NETWORK_LATE,
    ),
    Check(
        name="livekit.media",
        what="sound from one participant to another in a test room",
        run=media.check_media,
        budget_s=media.MEDIA_S,
        late=media.PORTS,
        needs=("livekit.key",),
    ),
    Check(
        name="database.tls",
        what="TLS to the database, and what has chosen it",
        run=database_tls.check_tls,
    ),
    Check(
        name="database.server",
        what="connection, version, round trip and write access",
        run=database.check_server,
        budget_s=10.0,
        late=_DATABASE_LATE,
    ),
    Check(
        name="database.privileges",
        what="the privileges that the worker needs on its tables",
        run=database.check_privileges,
        late=_DATABASE_LATE,
        needs=("database.server",),
    ),
    Check(
        name="database.schema",
        what="applied and pending migrations",
        run=database.check_schema_version,
        late=_DATABASE_LATE,
        needs=("database.server", "database.privileges"),
    ),
    Check(
        name="database.jobs",
        what="the role with which job processes connect",
        run=database_jobs.check_job_role,
        budget_s=10.0,
        late=_DATABASE_LATE,
        needs=("database.server", "database.privileges"),
    ),
    Check(
        name="database.connections",
        what="max_connections compared with the pools of all slots",
        run=database.check_connections,
        late=_DATABASE_LATE,
        needs=("database.server",),
    ),
    Check(
        name="vad",
        what="the voice activity detector",
        run=models.check_vad,
        budget_s=models.MODEL_S,
    ),
    Check(
        name="machine.data_dir",
        what="write access to the journal folder",
        run=host.check_data_dir,
        late=_DISK_LATE,
    ),
    Check(
        name="machine.private",
        what="who can read the journals",
        run=private_files.check_private,
        late=_DISK_LATE,
        needs=("machine.data_dir",),
    ),
    Check(
        name="machine.disk",
        what="free disk space",
        run=host.check_disk,
        late=_DISK_LATE,
        needs=("machine.data_dir",),
    ),
    Check(
        name="machine.fsync",
        what="time to write a record to the disk",
        run=host.check_fsync,
        budget_s=10.0,
        late=_DISK_LATE,
        needs=("machine.data_dir",),
    ),
    Check(name="machine.system", what="user name and temporary files", run=system.check_system),
    Check(name="machine.files", what="the limit of open files", run=host.check_files),
    Check(
        name="machine.memory",
        what="memory, or the container's limit, compared with the slots",
        run=host.check_memory,
    ),
    Check(name="machine.cpus", what="processors compared with the slots", run=host.check_cpus),
    Check(name="machine.port", what="the port of the HTTP server", run=host.check_port),
    Check(
        name="machine.probe_port",
        what="the port of the probes, and the token",
        run=network.check_probes,
    ),
)

_LOCAL: Final = {
    ("stt", "local"): models.check_local_stt,
    ("tts", "local"): models.check_local_tts,
    ("llm", "scripted"): models.check_script,
}


def checks_of(settings: Settings) -> tuple[Check, ...]:
    """Return all checks for `settings`: settings, LiveKit, database, providers, VAD, machine."""
    first_of_the_rest = next(i for i, check in enumerate(CHECKS) if check.name == "vad")
    return (*CHECKS[:first_of_the_rest], *provider_checks(settings), *CHECKS[first_of_the_rest:])


def provider_checks(settings: Settings) -> Iterator[Check]:
    """Yield one check for each provider of each fallback chain."""
    for kind in ("stt", "tts", "llm"):
        for name in getattr(settings, kind):
            local = _LOCAL.get((kind, name))
            yield Check(
                name=f"{kind}.{name}",
                what="the model inside the worker"
                if local
                else "the provider's key, credit and options",
                run=local or providers.provider_check(kind, name),
                budget_s=models.MODEL_S if local else providers.PROVIDER_S,
                late="the machine is too busy" if local else _NETWORK_LATE,
            )
