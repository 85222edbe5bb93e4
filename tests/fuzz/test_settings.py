"""Settings, from variables and files, and the URLs and faults in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from hypothesis import given

from tests.fuzz.budget import examples
from tests.fuzz.promises import Logged, assert_has_none_of, assert_one_line, within_time
from tests.fuzz.strategies.settings import (
    SECRET,
    SecretUrl,
    database_urls,
    env_files,
    faults,
    server_urls,
    variables,
)
from worker.config.settings import Settings, shown, variable_of
from worker.env.env_file import VARIABLE, file_variables
from worker.env.group import SettingsInvalid
from worker.faults.grammar import FaultInvalid, parse
from worker.livekit_api.address import normalised
from worker.livekit_api.errors import LiveKitUrlInvalid, shown_url
from worker.livekit_api.errors import check_url as check_livekit_url
from worker.store.url import DatabaseUrlInvalid, mask_url, wanted_server
from worker.store.url import check_url as check_database_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLES: Final = tuple(variable_of(name) for name in Settings.model_fields)


def assert_problems(error: SettingsInvalid, name: str = "") -> None:
    """Assert that each problem is one short line that names a variable, or the file `name`."""
    assert len(str(error).split("\n")) == len(error.problems) > 0
    for problem in error.problems:
        assert_one_line(problem, longest=700)
        assert_has_none_of(problem, (SECRET,))
        assert any(each in problem for each in (*VARIABLES, *([name] if name else [])))


@given(variables())
@examples(20)
def test_any_values_are_settings_or_problems_that_name_the_variables(
    values: Mapping[str, Any],
) -> None:
    logged = Logged()
    try:
        with logged:
            loaded = within_time(
                lambda: Settings.load(**values, _env_file=None), size=sum(map(len, values.values()))
            )
    except SettingsInvalid as error:
        assert_problems(error)
    else:
        assert_has_none_of(repr(loaded), (SECRET,))
        for name in Settings.model_fields:
            assert_has_none_of(shown(getattr(loaded, name)), (SECRET,))
    assert_has_none_of(logged.text, (SECRET,))


@given(env_files())
@examples(16)
def test_any_file_of_settings_is_read_or_refused_in_short_lines(
    folder: Path, content: bytes
) -> None:
    path = folder / "worker.env"
    path.write_bytes(content)
    logged = Logged()
    try:
        with logged, mock.patch.dict(os.environ, {VARIABLE: str(path)}):
            within_time(Settings.load, size=len(content))
            within_time(file_variables, size=len(content))
    except SettingsInvalid as error:
        assert_problems(error, str(path))
    assert_has_none_of(logged.text, (SECRET,))


@given(faults())
@examples(20)
def test_any_faults_are_read_or_refused_in_one_line(text: str) -> None:
    try:
        chosen = within_time(lambda: parse(text), size=len(text))
    except FaultInvalid as error:
        assert_one_line(str(error), longest=600)
    else:
        assert parse("; ".join(map(str, chosen))) == chosen


@given(database_urls())
@examples(20)
def test_no_error_about_a_database_url_contains_its_password(drawn: SecretUrl) -> None:
    assert_has_none_of(mask_url(drawn.url), (SECRET,))
    try:
        check_database_url(drawn.url)
    except DatabaseUrlInvalid as error:
        assert_one_line(str(error), longest=1000)
        assert_has_none_of(str(error), (SECRET,))
        assert "database URL" in str(error)


@given(database_urls())
@examples(20)
def test_any_text_as_a_database_url_is_accepted_or_refused_in_one_line(drawn: SecretUrl) -> None:
    try:
        within_time(lambda: check_database_url(drawn.damaged), size=len(drawn.damaged))
        wanted_server(drawn.damaged)
    except DatabaseUrlInvalid as error:
        assert_one_line(str(error), longest=1000)


@given(server_urls())
@examples(20)
def test_any_text_as_a_livekit_url_is_accepted_or_refused_without_its_secrets(url: str) -> None:
    assert_has_none_of(shown_url(url), (SECRET,))
    try:
        within_time(lambda: check_livekit_url(url), size=len(url))
    except LiveKitUrlInvalid as error:
        assert_one_line(str(error), longest=600)
        assert_has_none_of(str(error), (SECRET,))
    else:
        assert f"{SECRET}@" not in url
        assert_one_line(normalised(url), longest=len(url) * 10 + 10)
