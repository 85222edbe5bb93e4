"""Plans in languages that the configured providers hear and speak, and in others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from worker.config.settings import Settings
from worker.interview.plan.plan import SAMPLE_PLAN, PlanError
from worker.operations.languages import check_language, plan_of

if TYPE_CHECKING:
    from pathlib import Path

CLOUD = {
    "INTERVIEW_STT": "deepgram",
    "INTERVIEW_TTS": "elevenlabs",
    "DEEPGRAM_API_KEY": "key",
    "ELEVEN_API_KEY": "key",
}


def settings_with(**variables: Any) -> Settings:
    return Settings.load(_env_file=None, **variables)


@pytest.mark.parametrize("tag", ["en", "en-GB", "en-US"])
@pytest.mark.parametrize("variables", [{}, CLOUD], ids=["local", "cloud"])
def test_english_is_heard_and_spoken_by_default(tag: str, variables: dict[str, str]) -> None:
    checked = check_language(tag, settings_with(**variables))
    assert (checked.problems, checked.warnings) == ((), ())


def test_the_local_providers_hear_and_speak_english_only() -> None:
    checked = check_language("de", settings_with())
    assert checked.problems == (
        "language de cannot be heard by INTERVIEW_STT (local: en): choose providers and their "
        "settings for it",
        "language de cannot be spoken by INTERVIEW_TTS (local: en): choose providers and their "
        "settings for it",
    )


def test_a_provider_without_its_key_hears_nothing() -> None:
    variables = {"INTERVIEW_STT": "deepgram,local", "INTERVIEW_DEEPGRAM_LANGUAGE": "de"}
    (heard, _) = check_language("de", settings_with(**variables)).problems
    assert "INTERVIEW_STT (local: en)" in heard


@pytest.mark.parametrize(
    ("tag", "variables"),
    [
        ("de-AT", {"INTERVIEW_DEEPGRAM_LANGUAGE": "de"}),
        ("de", {"INTERVIEW_DEEPGRAM_LANGUAGE": "multi"}),
        ("nb", {"INTERVIEW_DEEPGRAM_LANGUAGE": "no"}),
        ("fil", {"INTERVIEW_DEEPGRAM_LANGUAGE": "multi"}),
        ("de", {"INTERVIEW_DEEPGRAM_LANGUAGE": "de-CH", "INTERVIEW_ELEVENLABS_LANGUAGE": "de"}),
    ],
)
def test_the_settings_of_a_provider_choose_its_language(
    tag: str, variables: dict[str, str]
) -> None:
    checked = check_language(tag, settings_with(**{**CLOUD, **variables}))
    assert checked.problems == ()
    (warning,) = checked.warnings
    assert "the recorded sentences of the interviewer are English" in warning


@pytest.mark.parametrize(
    ("tag", "variables", "problem"),
    [
        ("de", {}, "heard by INTERVIEW_STT (deepgram: en)"),
        ("en", {"INTERVIEW_DEEPGRAM_LANGUAGE": "de"}, "heard by INTERVIEW_STT (deepgram: de)"),
        (
            "de",
            {"INTERVIEW_DEEPGRAM_LANGUAGE": "multi", "INTERVIEW_DEEPGRAM_MODEL": "nova-2"},
            "heard by INTERVIEW_STT (deepgram: en, es)",
        ),
        (
            "de",
            {
                "INTERVIEW_DEEPGRAM_LANGUAGE": "de",
                "INTERVIEW_ELEVENLABS_MODEL": "eleven_turbo_v2",
            },
            "spoken by INTERVIEW_TTS (elevenlabs: en)",
        ),
        ("en", {"INTERVIEW_ELEVENLABS_LANGUAGE": "fr"}, "INTERVIEW_TTS (elevenlabs: fr)"),
    ],
)
def test_a_language_that_no_provider_serves_is_a_problem(
    tag: str, variables: dict[str, str], problem: str
) -> None:
    (found,) = check_language(tag, settings_with(**{**CLOUD, **variables})).problems
    assert problem in found


def test_a_provider_that_cannot_take_over_is_a_warning() -> None:
    variables = {
        **CLOUD,
        "INTERVIEW_STT": "deepgram,local",
        "INTERVIEW_TTS": "elevenlabs,local",
        "INTERVIEW_DEEPGRAM_LANGUAGE": "de",
    }
    checked = check_language("de", settings_with(**variables))
    assert checked.problems == ()
    hears, speaks, _ = checked.warnings
    assert hears.startswith("local of INTERVIEW_STT does not hear de: the answers are not")
    assert speaks.startswith("local of INTERVIEW_TTS does not speak de: the questions are not")


def test_a_provider_whose_languages_are_not_known_is_allowed_with_a_warning() -> None:
    variables = {
        **CLOUD,
        "INTERVIEW_DEEPGRAM_LANGUAGE": "de",
        "INTERVIEW_ELEVENLABS_MODEL": "eleven_of_tomorrow",
    }
    checked = check_language("de", settings_with(**variables))
    assert checked.problems == ()
    assert checked.warnings[0] == "it is not known whether elevenlabs of INTERVIEW_TTS can speak de"


def test_a_plan_in_another_language_is_refused_with_the_line_of_its_language(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.yaml"
    text = SAMPLE_PLAN.read_text(encoding="utf-8")
    line = text.splitlines().index("language: en") + 1
    path.write_text(text.replace("language: en\n", "language: de\n"))
    with pytest.raises(PlanError) as refused:
        plan_of(path, settings_with())
    assert [each.line for each in refused.value.problems] == [line, line]
    plan, warnings = plan_of(SAMPLE_PLAN, settings_with())
    assert (plan.language, warnings) == ("en", ())


def test_a_plan_without_a_language_is_refused_at_its_first_line_if_english_is_not_heard(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.yaml"
    lines = SAMPLE_PLAN.read_text(encoding="utf-8").splitlines()
    begins = next(n for n, each in enumerate(lines) if each.startswith("title:"))
    path.write_text("\n".join(each for each in lines if each != "language: en"))
    with pytest.raises(PlanError) as refused:
        plan_of(path, settings_with(**CLOUD, INTERVIEW_DEEPGRAM_LANGUAGE="de"))
    assert [each.line for each in refused.value.problems] == [begins + 1]
