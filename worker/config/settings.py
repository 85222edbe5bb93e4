"""All settings of the worker: unit, default, environment variable, and a line of help.

The settings are read from the environment and from a `.env` file in the working folder. If both
contain a setting, the environment takes precedence.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from states import BUDGETS, State
from states.table import HURRIED_CLOSING_S
from worker.config.continuity import ContinuitySettings
from worker.config.http import HttpSettings
from worker.config.providers import ProviderSettings, setting
from worker.config.silence import SilenceSettings
from worker.faults.grammar import Fault, FaultInvalid, parse


class SettingsInvalid(Exception):
    """Raised when at least one setting is invalid. The message has one line for each problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _budget(state: State) -> Any:
    """Declare the setting of a state's budget, which the state may share with other states."""
    budget = state.budget
    assert budget is not None  # noqa: S101  # only a state with a budget has a setting
    shares = " and ".join(other for other in state.deadline_group if other is not state)
    purpose = budget.purpose + (f"; shared with {shares}" if shares else "")
    help_line = f"Seconds a job may spend in {state}: {purpose}."
    variable = f"INTERVIEW_BUDGET_{state}_S"
    return setting(variable, budget.seconds, help_line, gt=0, le=budget.most_s)


class WorkerSettings(BaseSettings):
    """Settings of the worker, its servers and its limits."""

    livekit_url: str = setting("LIVEKIT_URL", "", "URL of the LiveKit server (ws:// or wss://).")
    livekit_api_key: str = setting("LIVEKIT_API_KEY", "", "LiveKit API key.")
    livekit_api_secret: SecretStr = setting(
        "LIVEKIT_API_SECRET", SecretStr(""), "Secret of the LiveKit API key."
    )
    livekit_start_budget_s: float = setting(
        "INTERVIEW_LIVEKIT_START_BUDGET_S",
        30.0,
        "Seconds to wait at start-up for an unavailable LiveKit server.",
        gt=0,
        le=3600,
    )
    database_url: SecretStr = setting(
        "DATABASE_URL", SecretStr(""), "URL of the PostgreSQL database (postgresql://)."
    )
    database_pool_size: int = setting(
        "INTERVIEW_DATABASE_POOL_SIZE", 5, "Database connections kept per process.", ge=1, le=100
    )
    database_pool_overflow: int = setting(
        "INTERVIEW_DATABASE_POOL_OVERFLOW",
        5,
        "Additional database connections per process for bursts.",
        ge=0,
        le=100,
    )
    database_overflow_idle_s: float = setting(
        "INTERVIEW_DATABASE_OVERFLOW_IDLE_S",
        10.0,
        "Seconds after which an idle additional database connection is closed.",
        gt=0,
        le=3600,
    )
    database_connect_timeout_s: float = setting(
        "INTERVIEW_DATABASE_CONNECT_TIMEOUT_S",
        5.0,
        "Timeout in seconds for connecting to the database.",
        gt=0,
        le=300,
    )
    database_acquire_timeout_s: float = setting(
        "INTERVIEW_DATABASE_ACQUIRE_TIMEOUT_S",
        5.0,
        "Timeout in seconds for getting a connection from the pool.",
        gt=0,
        le=300,
    )
    database_statement_timeout_s: float = setting(
        "INTERVIEW_DATABASE_STATEMENT_TIMEOUT_S",
        10.0,
        "Timeout in seconds for one database statement.",
        gt=0,
        le=3600,
    )
    database_verify_after_idle_s: float = setting(
        "INTERVIEW_DATABASE_VERIFY_AFTER_IDLE_S",
        0.0,
        "Seconds of idleness after which a database connection is verified before use; 0: always.",
        ge=0,
        le=3600,
    )
    embedded: bool = setting(
        "INTERVIEW_EMBEDDED",
        False,
        "Run an embedded PostgreSQL in the data folder if DATABASE_URL is not set.",
    )
    data_dir: Path = setting(
        "INTERVIEW_DATA_DIR",
        Path(platformdirs.user_data_dir("interview-worker")),
        "Folder of the journals, the TTS cache and the embedded database.",
    )
    journal_keep_days: float = setting(
        "INTERVIEW_JOURNAL_KEEP_DAYS",
        7.0,
        "Days that a journal stays on disk after all of its records are in the database.",
        ge=0,
        le=3650,
    )
    agent_name: str = setting(
        "INTERVIEW_AGENT_NAME",
        "interviewer",
        "LiveKit agent name: dispatches to this name reach the worker.",
        min_length=1,
        max_length=100,
    )
    application: str = setting(
        "INTERVIEW_APPLICATION",
        "worker.interview.application:InterviewApplication",
        "Factory of each job's application, as module:attribute.",
        pattern=r"^[\w.]+:\w+$",
    )
    slots: int = setting(
        "INTERVIEW_SLOTS",
        max(1, 2 * (os.cpu_count() or 1)),
        "Maximum number of concurrent interviews; default: two per processor.",
        ge=1,
        le=1000,
    )
    idle_processes: int = setting(
        "INTERVIEW_IDLE_PROCESSES", 2, "Idle processes kept ready for the next jobs.", ge=0, le=100
    )
    cleanup_s: float = setting(
        "INTERVIEW_CLEANUP_S",
        5.0,
        "Seconds for a job process to clean up when the worker shuts down.",
        gt=0,
        le=300,
    )
    drain_s: int = setting(
        "INTERVIEW_DRAIN_S",
        3600,
        "Seconds that running interviews may continue after SIGTERM before they are handed over.",
        ge=0,
        le=86_400,
    )
    candidate_join_s: float = setting(
        "INTERVIEW_CANDIDATE_JOIN_S",
        300.0,
        "Seconds to wait for a candidate who has not joined.",
        gt=0,
        le=86_400,
    )
    candidate_grace_s: float = setting(
        "INTERVIEW_CANDIDATE_GRACE_S",
        30.0,
        "Seconds to wait for a candidate who left to come back.",
        gt=0,
        le=3600,
    )
    candidate_silence_s: float = setting(
        "INTERVIEW_CANDIDATE_SILENCE_S",
        90.0,
        "Seconds of silence before the interview ends; after half of it a reminder is played.",
        gt=1,
        le=3600,
    )
    turn_detector: Literal["local", "none"] = setting(
        "INTERVIEW_TURN_DETECTOR",
        "none",
        "`local`: a model judges whether an answer is finished (244 MB per worker); `none`: "
        "silence alone ends an answer.",
    )
    log_format: Literal["auto", "json", "console"] = setting(
        "INTERVIEW_LOG_FORMAT",
        "auto",
        "json, console, or auto: console on a terminal and json elsewhere.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "INTERVIEW_LOG_LEVEL", "INFO", "Lowest level that is logged."
    )
    budget_handshake_s: float = _budget(State.HANDSHAKE)
    budget_connected_s: float = _budget(State.CONNECTED)
    budget_bootstrapping_s: float = _budget(State.BOOTSTRAPPING)
    budget_ready_s: float = _budget(State.READY)
    budget_running_s: float = _budget(State.RUNNING)
    budget_closing_s: float = _budget(State.CLOSING)
    hurried_closing_s: float = setting(
        "INTERVIEW_HURRIED_CLOSING_S",
        HURRIED_CLOSING_S,
        "Seconds a job may spend in CLOSING after the worker asked it to end.",
        gt=0,
        le=14,
    )
    faults: str = setting(
        "INTERVIEW_FAULTS",
        "",
        "Faults to inject, such as load.vad=hang; `interview-worker faults` lists the points.",
    )
    allow_faults: bool = setting(
        "INTERVIEW_ALLOW_FAULTS", False, "Allow INTERVIEW_FAULTS to be set."
    )


class Settings(ProviderSettings, ContinuitySettings, SilenceSettings, HttpSettings, WorkerSettings):
    """All settings of the worker. `load` reads the settings and reports which are invalid."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    @field_validator("data_dir", mode="before")
    @classmethod
    def _not_here(cls, value: object) -> object:
        """Treat an empty variable as one that is not set, instead of as the working folder."""
        return cls.model_fields["data_dir"].default if value == "" else value

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the settings. Raises SettingsInvalid if a setting is invalid.

        `overrides` maps names of environment variables to values.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsInvalid(tuple(_problem(e) for e in error.errors())) from None

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
        try:
            return parse(self.faults, own_resources=own)
        except FaultInvalid:
            if own:
                raise
            # The interview's resources are known once its module is imported. This takes seconds,
            # which only a fault of a resource costs, and a fault that is reported as invalid.
            importlib.import_module(self.application.partition(":")[0])
            return parse(self.faults)

    @property
    def budgets(self) -> Mapping[State, float]:
        """The time budgets of the lifecycle's states, in seconds.

        States that share a deadline have the budget of the first of them.
        """
        return {
            state: getattr(self, f"budget_{state.deadline_group[0].lower()}_s") for state in BUDGETS
        }

    @property
    def journal_dir(self) -> Path:
        """The folder of the journals that are not ingested yet."""
        return self.data_dir / "journals"


def _problem(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{error['loc'][0]}: {message}" if error["loc"] else message


def variable_of(field: str) -> str:
    """Return the name of a setting's environment variable."""
    return str(Settings.model_fields[field].validation_alias)


def origin_of(field: str) -> str:
    """Return the source of a setting's value: "environment", ".env" or "default"."""
    variable = variable_of(field)
    if variable in os.environ:
        return "environment"
    return ".env" if variable in dotenv_values(".env") else "default"


def shown(value: object) -> str:
    """Return a value as printable text: a secret is masked, and a chain is joined by commas."""
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" if isinstance(part, float) else part for part in value)
    return str(value)
