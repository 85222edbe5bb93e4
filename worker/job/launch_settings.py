"""Settings that the main process gives to one job, when it hands the job to a process.

These settings are not passed in the environment, because other processes of the same user can read
it in /proc. Instead the main process stores these settings in the field `metadata` of the arguments
of an accepted job. The framework sends this field to the job's process over a socket, and does not
use the field itself.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from worker.config.settings import Settings
from worker.env.secret_files import SUFFIX

if TYPE_CHECKING:
    from livekit.agents import JobContext
    from livekit.agents.job import RunningJobInfo


def with_settings(info: RunningJobInfo, settings: Mapping[str, str]) -> RunningJobInfo:
    """Return the launch data of a job with `settings` added.

    The keys of `settings` are names of environment variables.
    """
    arguments = dataclasses.replace(info.accept_arguments, metadata=json.dumps(dict(settings)))
    return dataclasses.replace(info, accept_arguments=arguments)


def settings_of(ctx: JobContext) -> Settings:
    """Read the settings of this process, including those that the main process gave to the job.

    A given setting that names the file of a secret, such as DATABASE_URL_FILE, is also copied into
    the environment, because the code that reads the file gets the path from the environment. Raises
    SettingsInvalid.
    """
    given = given_settings(ctx)
    os.environ.update({name: path for name, path in given.items() if name.endswith(SUFFIX)})
    return Settings.load(**given)


def given_settings(ctx: JobContext) -> dict[str, str]:
    """Return the settings that the main process has given to this job; empty if it gave none."""
    arguments = getattr(ctx._info, "accept_arguments", None)  # private in livekit-agents
    text = getattr(arguments, "metadata", "")
    if not text:
        return {}
    found = json.loads(text)
    return {str(name): str(value) for name, value in found.items()}
