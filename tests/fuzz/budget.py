"""How many examples a test runs, and how long it may take."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

#: Variable with the number of examples of each test. `make fuzz` sets it; without it each test runs
#: the few examples that `examples` is given.
EXAMPLES_VARIABLE: Final = "FUZZ_EXAMPLES"
#: Maximum seconds of a test in `make test`, and for each example beyond.
_TEST_S: Final = 120.0
_EXAMPLE_S: Final = 2.0

#: The documents are large on purpose, and most are damaged on purpose.
_EXPECTED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
    HealthCheck.filter_too_much,
)


def examples(few: int) -> settings:
    """Return the settings of a test: `few` examples, or as many as FUZZ_EXAMPLES says."""
    given = os.environ.get(EXAMPLES_VARIABLE)
    if given is None:
        return settings(max_examples=few, suppress_health_check=_EXPECTED, print_blob=True)
    return settings(
        max_examples=int(given),
        suppress_health_check=_EXPECTED,
        print_blob=True,
        derandomize=False,
    )


def time_out_s() -> float:
    """Return the maximum seconds of one test. A parser that hangs makes the test fail."""
    return _TEST_S + _EXAMPLE_S * int(os.environ.get(EXAMPLES_VARIABLE, "0"))
