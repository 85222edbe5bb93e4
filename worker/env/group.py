"""Base class of all groups of settings: variables, reading, errors and help texts."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import AliasGenerator, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from worker.env.env_file import ENCODING, EnvFileInvalid, chosen_file, existing_file
from worker.env.messages import sentence_of
from worker.env.secret_files import (
    SecretFileSource,
    UnusableSecret,
    is_secret,
    without_white_space,
)
from worker.env.shown import on_one_line, shortened

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Maximum length of the message about one setting, in characters. A message may quote a part of the
#: value, and the value may be as long as the environment allows.
_LONGEST_PROBLEM: Final = 500


class SettingsInvalid(Exception):
    """Raised when at least one setting is invalid. The message has one line for each problem.

    `variables` are the names of the variables whose values are invalid on their own. `variables` is
    empty if each value is valid, but the values contradict each other.
    """

    def __init__(self, problems: tuple[str, ...], variables: frozenset[str] = frozenset()) -> None:
        self.problems = problems
        self.variables = variables
        super().__init__("\n".join(problems))


def check_text(value: object) -> object:
    """Return `value`. Raises ValueError if `value` is text that no path, URL or header can contain.

    A path, URL or header cannot contain a NUL, or bytes that are not UTF-8.
    """
    if isinstance(value, str) and ("\0" in value or not _encodable(value)):
        raise ValueError("contains a character that is not text")
    return value


def _variable(field: str) -> str:
    return f"INTERVIEW_{field.upper()}"


class SettingsGroup(BaseSettings):
    """Group of settings. Each field is one setting, read from an environment variable.

    The variable's name is INTERVIEW_ and the field's name in upper case, unless the field has a
    `validation_alias`, which is the variable's name. The docstring below a field is the help text
    of the setting (`help_texts`). If the help text is computed, it is the field's `description`
    instead. The values come from the environment, and from the file that INTERVIEW_ENV_FILE names.
    If the environment and the file set the same variable, the value from the environment is used. A
    secret may also be read from a separate file (`secret_files`). White space around a secret is
    removed.
    """

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_variable),
        # Build pydantic's validator of a group on first use. A process never uses most groups: it
        # reads one group, or `Settings`, which inherits the fields of all groups.
        defer_build=True,
        env_file_encoding=ENCODING,
        extra="ignore",
        frozen=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_usable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a secret whose file cannot be used, and strip every other secret."""
        if isinstance(value, UnusableSecret):
            raise ValueError(value.why)
        field = cls.model_fields.get(info.field_name or "")
        if isinstance(value, str) and field is not None and is_secret(field):
            return without_white_space(value)
        return value

    # pydantic calls the last declared validator first.
    _is_text = field_validator("*", mode="before")(check_text)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of values in the order of their precedence, the highest first."""
        given = [
            source.env_vars
            for source in (env_settings, dotenv_settings)
            if isinstance(source, EnvSettingsSource)
        ]
        files = SecretFileSource(settings_cls, *given)
        return init_settings, files, env_settings, dotenv_settings

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings. Raises SettingsInvalid if a setting is invalid.

        `overrides` maps names of environment variables to values. Raises OSError if the file that
        INTERVIEW_ENV_FILE names cannot be read.
        """
        try:
            return cls(**{"_env_file": existing_file()} | overrides)
        except EnvFileInvalid as error:
            raise SettingsInvalid((str(error),)) from None
        except ValidationError as error:
            found = error.errors()
            variables = frozenset(str(each["loc"][0]) for each in found if each["loc"])
            raise SettingsInvalid(tuple(map(_problem, found)), variables) from None
        except UnicodeDecodeError as error:
            path = on_one_line(str(chosen_file()))
            problem = f"{path} is not UTF-8 text (byte {error.start + 1})"
            raise SettingsInvalid((problem,)) from None


def help_texts(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the help text of each field of `settings`, on one line, in the order of the fields.

    A help text that is a docstring is empty if the worker's source files are not installed. Reading
    the source files takes 50 ms of processor time, so only code that prints help texts calls this
    function.
    """
    written: dict[str, str] = {}
    for group in settings.__mro__:
        if issubclass(group, SettingsGroup) and "__annotations__" in vars(group):
            written |= _docstrings(group)
    return {
        name: " ".join((field.description or written.get(name, "")).split())
        for name, field in settings.model_fields.items()
    }


@cache
def _docstrings(group: type) -> dict[str, str]:
    """Return the docstring below each annotated field of a class. Reads the source file once."""
    try:
        source = inspect.getsource(group)
    except OSError:
        return {}
    # The source of a class can be parsed without dedenting, because all groups are declared at the
    # top level of their modules.
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  # the source of a class
    return {
        field.target.id: text.value.value
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(error: ErrorDetails) -> str:
    message = shortened(on_one_line(sentence_of(error)), _LONGEST_PROBLEM)
    return f"{error['loc'][0]}: {message}" if error["loc"] else message
