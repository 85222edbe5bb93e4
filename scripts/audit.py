"""Looks up known vulnerabilities of the packages in requirements/runtime.lock with pip-audit.

pip-audit succeeds even if the service knows none of the packages, so that nothing was audited. This
script fails in that case.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

#: File with the packages to audit, as a path from the root of the repository.
LOCK: Final = "requirements/runtime.lock"
#: Host that each vulnerability service of pip-audit asks, by the service's name.
HOSTS: Final = {"pypi": "pypi.org", "osv": "api.osv.dev"}
_ELSEWHERE: Final = "or scan requirements/runtime.lock on another machine"

#: Exit code if every package was audited and none has a known vulnerability.
CLEAN: Final = 0
#: Exit code if a package has a known vulnerability.
VULNERABLE: Final = 1
#: Exit code if some packages, or all of them, could not be audited.
INCOMPLETE: Final = 2


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An exit code, and the lines that say why. The last line is the result."""

    code: int
    lines: tuple[str, ...]


def judge(service: str, answer: str, errors: str) -> Verdict:
    """Judge what pip-audit wrote to its standard output (as JSON) and to its standard error."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _unanswered(service, errors)
    left_out = [each["name"] for each in packages if "skip_reason" in each]
    lines = tuple(line for each in packages for line in _vulnerabilities(each))
    audited = len(packages) - len(left_out)
    if lines:
        result = f"{len(lines)} known vulnerabilities in {audited} packages: upgrade (make lock)"
        return Verdict(code=VULNERABLE, lines=(*lines, *_not_audited(left_out), result))
    if not audited:
        result = (
            f"no package was audited: {HOSTS[service]} has no data about any of {len(packages)}; "
            f"{_other(service)}, {_ELSEWHERE}"
        )
        return Verdict(code=INCOMPLETE, lines=(result,))
    if left_out:
        result = f"no known vulnerability in {audited} packages; {_other(service)} for the others"
        return Verdict(code=INCOMPLETE, lines=(*_not_audited(left_out), result))
    return Verdict(code=CLEAN, lines=(f"no known vulnerability in {audited} packages",))


def _unanswered(service: str, errors: str) -> Verdict:
    """Return the verdict for a failed pip-audit, with the last line of its traceback."""
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "no error shown")
    result = (
        f"no package was audited: pip-audit got no answer from {HOSTS[service]} ({last[:300]}); "
        f"check the network and HTTPS_PROXY, {_other(service)}, {_ELSEWHERE}"
    )
    return Verdict(code=INCOMPLETE, lines=(result,))


def _other(service: str) -> str:
    (other,) = HOSTS.keys() - {service}
    return f"try make audit SERVICE={other}, which asks {HOSTS[other]}"


def _not_audited(names: list[str]) -> tuple[str, ...]:
    return (f"not audited: {', '.join(names)}",) if names else ()


def _vulnerabilities(package: dict[str, Any]) -> list[str]:
    return [
        f"{package['name']} {package['version']}: {each['id']}, "
        f"repaired in {', '.join(each['fix_versions']) or 'no version yet'}"
        for each in package.get("vulns", ())
    ]


def main() -> None:
    """Print the known vulnerabilities of the locked packages.

    Exits with 1 if there are some, and with 2 if not all packages could be audited.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.audit", description=main.__doc__)
    parser.add_argument("--service", choices=HOSTS, default="pypi", help="the service to ask")
    service: str = parser.parse_args().service
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", "--vulnerability-service", service]
    command += ["-r", LOCK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    verdict = judge(service, done.stdout, done.stderr)
    print("\n".join(verdict.lines), file=sys.stderr if verdict.code else sys.stdout)
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
