"""Settings that the main process gives to one job, when it hands the job to a process.

They are in no environment: other processes of this user can read an environment in /proc. The
framework sends the arguments of an accepted job over the socket to the process of the job, and uses
their field `metadata` for nothing else.
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
    """Return the launch of a job with these settings, which are given by their variables' names."""
    arguments = dataclasses.replace(info.accept_arguments, metadata=json.dumps(dict(settings)))
    return dataclasses.replace(info, accept_arguments=arguments)


def settings_of(ctx: JobContext) -> Settings:
    """Read the settings of this process, with those that the main process has given to its job.

    The name of a file of a secret is put into the environment, where its readers look for it.
    Raises SettingsInvalid.
    """
    given = given_settings(ctx)
    os.environ.update({name: path for name, path in given.items() if name.endswith(SUFFIX)})
    return Settings.load(**given)


def given_settings(ctx: JobContext) -> dict[str, str]:
    """Return the settings that the main process has given to this job; empty if it gave none."""
    arguments = getattr(ctx._info, "accept_arguments", None)  # not public
    text = getattr(arguments, "metadata", "")
    if not text:
        return {}
    found = json.loads(text)
    return {str(name): str(value) for name, value in found.items()}
