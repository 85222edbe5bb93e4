"""All settings of the worker: unit, default, environment variable, and a line of help.

`worker.env.group` reads the settings from the environment, from the file that INTERVIEW_ENV_FILE
names, and secrets from separate files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import platformdirs
from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from states import BUDGETS, State
from states.table import HURRIED_CLOSING_S
from worker.config.continuity import ContinuitySettings
from worker.config.http import HttpSettings
from worker.config.providers import ProviderSettings
from worker.config.silence import SilenceSettings
from worker.env.container import capacity
from worker.env.env_file import chosen_file, file_variables
from worker.env.group import SettingsGroup, check_text
from worker.env.secret_files import FROM_FILE, SUFFIX, is_secret, secret_files
from worker.faults.grammar import Fault, FaultInvalid, parse
from worker.livekit_api.errors import LiveKitUrlInvalid, check_url

#: Pattern of the credentials of a URL (before an `@`) and of its query.
_URL_SECRETS = re.compile(r"(?<=://)[^/?#\s]+(?=@)|(?<=\?)[^#\s]+")
#: Processors and memory of this machine or of its container.
_CAPACITY: Final = capacity()


def _user_data_dir() -> Path:
    """Return the user's data folder; the path begins with `~` if the user's home is not known."""
    try:
        return Path(platformdirs.user_data_dir("interview-worker"))
    except RuntimeError:
        return Path("~/.local/share/interview-worker")


#: Text without surrounding white space, such as the line break at the end of a file.
Trimmed = Annotated[str, StringConstraints(strip_whitespace=True)]


def _budget(state: State) -> Any:
    """Declare the setting of a state's time budget. Several states may share one budget."""
    budget = state.budget
    assert budget is not None  # noqa: S101  # only a state with a budget has a setting
    shares = " and ".join(other for other in state.deadline_group if other is not state)
    purpose = budget.purpose + (f"; shared with {shares}" if shares else "")
    help_line = f"Seconds a job may spend in {state}: {purpose}."
    return Field(budget.seconds, description=help_line, gt=0, le=budget.most_s)


class WorkerSettings(SettingsGroup):
    """Settings of the worker, its servers and its limits."""

    env_file: str = ""
    """File with further settings, such as .env, with a line NAME=value for each; empty: no file is
    read. A variable of the environment wins over its line in the file. The option --env-file sets
    this setting."""
    livekit_url: Trimmed = Field(default="", validation_alias="LIVEKIT_URL")
    """URL of the LiveKit server (ws:// or wss://)."""
    livekit_public_url: Trimmed = ""
    """URL at which candidates reach the LiveKit server; empty: LIVEKIT_URL."""
    livekit_api_key: Annotated[str, FROM_FILE] = Field(
        default="", validation_alias="LIVEKIT_API_KEY"
    )
    """LiveKit API key."""
    livekit_api_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="LIVEKIT_API_SECRET"
    )
    """Secret of the LiveKit API key."""
    livekit_name: str = Field(default="", max_length=255, pattern=r"^[A-Za-z0-9._:/\[\]-]*$")
    """Name of the LiveKit server, the same on all workers that use it; empty: its address."""
    livekit_start_budget_s: float = Field(default=30.0, gt=0, le=3600)
    """Maximum seconds to wait at start-up for an unavailable LiveKit server."""
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")
    """URL of the PostgreSQL database (postgresql://)."""
    database_tls: Literal["verify-full", "verify-ca", "require", "prefer", "allow", "disable"] = (
        "verify-full"
    )
    """TLS to a database on another machine, if DATABASE_URL and PGSSLMODE name no sslmode."""
    database_job_url: SecretStr = SecretStr("")
    """Database URL of the job processes, with a separate role; empty: the worker makes such a role
    if it may. With the role of DATABASE_URL, job processes have the rights of the worker."""
    database_pool_size: int = Field(default=5, ge=1, le=100)
    """Maximum number of database connections that each process keeps open."""
    database_pool_overflow: int = Field(default=5, ge=0, le=100)
    """Maximum number of additional database connections that each process opens for bursts."""
    database_overflow_idle_s: float = Field(default=10.0, gt=0, le=3600)
    """Seconds after which an idle additional database connection is closed."""
    database_connect_timeout_s: float = Field(default=5.0, gt=0, le=300)
    """Timeout in seconds for connecting to the database."""
    database_acquire_timeout_s: float = Field(default=5.0, gt=0, le=300)
    """Timeout in seconds for getting a connection from the pool."""
    database_statement_timeout_s: float = Field(default=10.0, gt=0, le=3600)
    """Timeout in seconds for one database statement."""
    database_verify_after_idle_s: float = Field(default=0.0, ge=0, le=3600)
    """Seconds without use after which a database connection is verified before its next use; 0:
    before every use."""
    embedded: bool = False
    """Run an embedded PostgreSQL in the data folder if DATABASE_URL is not set."""
    data_dir: Path = _user_data_dir()
    """Folder of the journals, the TTS cache and the embedded database."""
    journal_keep_days: float = Field(default=7.0, ge=0, le=3650)
    """Days that a journal stays on disk after all of its records are in the database."""
    agent_name: str = Field(default="interviewer", min_length=1, max_length=100)
    """LiveKit agent name: dispatches to this name reach the worker."""
    application: str = Field(
        default="worker.interview.application:InterviewApplication", pattern=r"^[\w.]+:\w+$"
    )
    """Factory of each job's application, as module:attribute."""
    slots: int = Field(default=_CAPACITY.slots, ge=1, le=1000)
    """Maximum number of concurrent interviews; default: two per processor that the container
    allows, and no more than fit into its memory."""
    idle_processes: int = Field(default=_CAPACITY.idle_processes, ge=0, le=100)
    """Number of idle processes that are kept ready for the next jobs."""
    cleanup_s: float = Field(default=5.0, gt=0, le=300)
    """Maximum seconds that a job process may take to clean up when the worker shuts down."""
    drain_s: int = Field(default=3600, ge=0, le=86_400)
    """Seconds that running interviews may continue after SIGTERM before they are handed over."""
    candidate_join_s: float = Field(default=300.0, gt=0, le=86_400)
    """Maximum seconds to wait for a candidate who has not joined."""
    candidate_grace_s: float = Field(default=30.0, gt=0, le=3600)
    """Maximum seconds to wait for the return of a candidate who left."""
    candidate_silence_s: float = Field(default=120.0, gt=1, le=3600)
    """Seconds of silence before the interview ends, in a plan with the default levels of silence;
    scales the levels of every plan."""
    turn_detector: Literal["local", "none"] = "none"
    """`local`: a model judges whether an answer is finished (244 MB per worker); `none`: silence
    alone ends an answer."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """json, console, or auto: console on a terminal and json elsewhere."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    budget_handshake_s: float = _budget(State.HANDSHAKE)
    budget_connected_s: float = _budget(State.CONNECTED)
    budget_bootstrapping_s: float = _budget(State.BOOTSTRAPPING)
    budget_ready_s: float = _budget(State.READY)
    budget_running_s: float = _budget(State.RUNNING)
    budget_closing_s: float = _budget(State.CLOSING)
    hurried_closing_s: float = Field(default=HURRIED_CLOSING_S, gt=0, le=14)
    """Seconds a job may spend in CLOSING after the worker asked the job to end."""
    faults: str = ""
    """Faults to inject, such as load.vad=hang; `interview-worker faults` lists the points."""
    allow_faults: bool = False
    """Allow INTERVIEW_FAULTS to be set."""

    @field_validator("livekit_public_url")
    @classmethod
    def _is_public_url(cls, value: str) -> str:
        try:
            if value:
                check_url(value)
        except LiveKitUrlInvalid:
            raise ValueError("is no LiveKit URL; give one like wss://livekit.example") from None
        return value


class Settings(ProviderSettings, ContinuitySettings, SilenceSettings, HttpSettings, WorkerSettings):
    """All settings of the worker. `load` reads the settings and reports which are invalid.

    An argument of `load`, such as `INTERVIEW_SLOTS="3"`, replaces the variable of its name. If a
    setting is invalid, `load` raises SettingsInvalid.
    """

    # pydantic calls the last declared validator first. Therefore `check_text` sees the text of a
    # chain or of INTERVIEW_LADDER_S before another validator splits the text.
    _is_text_unsplit = field_validator("*", mode="before")(check_text)

    @field_validator("data_dir", mode="before")
    @classmethod
    def _not_here(cls, value: object) -> object:
        """Treat an empty path, which would mean the working folder, as not set."""
        return cls.model_fields["data_dir"].default if value == "" else value

    @field_validator("data_dir")
    @classmethod
    def _at_home(cls, value: Path) -> Path:
        """Expand `~`, which no shell does in a file of settings."""
        # Unlike `Path.expanduser`, this raises no error for an unknown user.
        return Path(os.path.expanduser(value))

    @model_validator(mode="after")
    def _faults_are_meant(self) -> Settings:
        try:
            faults = self.faults_to_set()
        except FaultInvalid as error:
            raise ValueError(f"{variable_of('faults')}: {error}") from None
        if faults and not self.allow_faults:
            raise ValueError(
                f"{variable_of('faults')} is set, which breaks interviews: unset it, or set "
                f"{variable_of('allow_faults')}=1 to allow it"
            )
        return self

    def faults_to_set(self) -> tuple[Fault, ...]:
        """Return the faults of INTERVIEW_FAULTS. Raises FaultInvalid if one of them is invalid."""
        own = self.application != Settings.model_fields["application"].default
        return parse(self.faults, own_resources=own)

    @property
    def budgets(self) -> Mapping[State, float]:
        """The time budgets of the lifecycle's states, in seconds.

        States that share a deadline have the time budget of the first of these states.
        """
        return {
            state: getattr(self, f"budget_{state.deadline_group[0].lower()}_s") for state in BUDGETS
        }

    @property
    def candidates_livekit_url(self) -> str:
        """The URL of the LiveKit server for candidates; empty if no URL is set."""
        return self.livekit_public_url or self.livekit_url

    @property
    def journal_dir(self) -> Path:
        """The folder of the journals that are not ingested yet."""
        return self.data_dir / "journals"


def variable_of(field: str) -> str:
    """Return the name of a setting's environment variable."""
    return str(Settings.model_fields[field].validation_alias)


def origin_of(field: str, dotenv: Mapping[str, str | None]) -> str:
    """Return the source of a setting's value.

    The source is "environment", "default", the name of the file of settings, such as ".env", or the
    variable that names the file of a secret, such as "DATABASE_URL_FILE".
    """
    variable = variable_of(field)
    if is_secret(Settings.model_fields[field]) and field in secret_files(Settings):
        return variable + SUFFIX
    # pydantic-settings accepts a name in lower case as well.
    if variable in map(str.upper, os.environ):
        return "environment"
    # A name without "=" in `.env` sets nothing.
    given = (name.upper() for name, value in dotenv.items() if value is not None)
    path = chosen_file()
    return path.name if path is not None and variable in given else "default"


def dotenv_variables() -> Mapping[str, str | None]:
    """Return the variables of the file that INTERVIEW_ENV_FILE names (`file_variables`)."""
    return file_variables()


def shown(value: object) -> str:
    """Return a value as printable text: secrets are masked, and a chain is joined by commas.

    The credentials and the query of a URL are secrets too.
    """
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" if isinstance(part, float) else part for part in value)
    return _URL_SECRETS.sub("********", str(value)) if "://" in str(value) else str(value)
