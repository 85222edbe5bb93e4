"""Tests of a user, in a pytest run of their own, with the fixtures of the lifecycle's plugin."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

USERS_TEST = """
import asyncio
from states import Event
from states.testing import assert_path

async def test_async(lifecycle):
    job = lifecycle()
    await asyncio.sleep(3600)
    assert_path(job, "HANDSHAKE", "CLOSING", "CLOSED")

def test_sync(journey):
    assert_path(journey((0.1, Event.ROOM_CONNECTED)), "HANDSHAKE", "CONNECTED")
"""

#: Arguments of a separate run, in which warnings are errors too. pytest-asyncio warns if the
#: setting is missing.
ARGUMENTS = (
    *("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)


@pytest.mark.row("C7")
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_users_test_needs_no_mark_and_no_configuration(
    pytester: pytest.Pytester, mode: str
) -> None:
    pytester.makepyfile(USERS_TEST)
    # Once as a user runs it: in a process that has imported nothing of this project.
    run = pytester.runpytest_subprocess if mode == "strict" else pytester.runpytest_inprocess
    done = run(*ARGUMENTS, f"--asyncio-mode={mode}", "--strict-markers")
    done.assert_outcomes(passed=2)


@pytest.mark.row("C7")
def test_a_failing_test_reports_the_path_of_each_of_its_jobs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from states import Event

        async def test_async(lifecycle):
            job = lifecycle()
            await job.fire(Event.ROOM_CONNECTED)
            assert False

        def test_sync(journey):
            journey(until_s=11)
            assert False

        def test_elsewhere(lifecycle):
            lifecycle()
    """)
    done = pytester.runpytest_inprocess(*ARGUMENTS)
    done.assert_outcomes(failed=3)
    done.stdout.fnmatch_lines(
        [
            "*- path of job 1 -*",
            "*CONNECTED*room_connected",
            "*- path of job 1 -*",
            "*CLOSING *10.000 s *budget_spent",
            "outcome: failed (HandshakeTimeout)",
            "*RuntimeError: lifecycle() needs a running loop: make the test async*",
        ]
    )


def test_a_mismatch_points_at_the_users_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from states.testing import assert_path

        def test_sync(journey):
            assert_path(journey(), "HANDSHAKE", "READY")
    """)
    done = pytester.runpytest_inprocess(*ARGUMENTS)
    done.stdout.fnmatch_lines(
        ['>*assert_path(journey(), "HANDSHAKE", "READY")', "E*> READY*(nothing)"]
    )
    done.stdout.no_fnmatch_line("*raise AssertionError*")


def test_a_test_can_opt_out_of_virtual_time(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio, pytest

        @pytest.mark.looptime(False)
        async def test_real(lifecycle):
            lifecycle()
            assert not asyncio.get_running_loop().looptime_on
    """)
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)
