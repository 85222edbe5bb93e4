"""Converts licence statements to SPDX expressions, and finds GPL obligations in them."""

from __future__ import annotations

import re
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

#: Free-text statements in metadata that can mean only one SPDX expression.
_OWN_WORDS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_GPL_ID = re.compile(r"A?GPL-", re.IGNORECASE)
_GPL_WORDS = re.compile(
    r"\bA?GPL|(?<!Lesser )(?<!Library )\bGeneral Public License|\bAffero\b", re.IGNORECASE
)
_TOKENS = re.compile(r"[()]|[^\s()]+")


def expression_of(statement: str) -> str | None:
    """Return the SPDX expression of a licence statement; None if the statement is ambiguous."""
    words = _OWN_WORDS.get(statement.strip(), statement.strip())
    try:
        return str(canonicalize_license_expression(words))
    except InvalidLicenseExpression:
        return None


def identifiers(expression: str) -> set[str]:
    """Return the licences in an SPDX expression, including their exceptions (`WITH`)."""
    joined = expression.replace(" WITH ", "~")
    return {
        token.replace("~", " WITH ")
        for token in _TOKENS.findall(joined)
        if token not in ("(", ")", "AND", "OR")
    }


def gpl_in(statement: str) -> frozenset[str]:
    """Return the GPL and AGPL licences that a licence statement makes mandatory, without the LGPL.

    `MIT OR GPL-2.0-only` makes none mandatory; `MIT AND GPL-2.0-only` makes one. A GPL licence with
    an exception (`WITH`) is returned too, because a person must judge what the exception
    permits. A statement that is not an SPDX expression is returned as a whole if it mentions the
    GPL.
    """
    expression = expression_of(statement)
    if expression is None:
        return frozenset({statement}) if _GPL_WORDS.search(statement) else frozenset()
    return _one_of(_TOKENS.findall(expression.replace(" WITH ", "~")))


def _one_of(tokens: list[str]) -> frozenset[str]:
    """Parse `A OR B`. If one choice has no GPL licence, return none. Consumes the parsed tokens."""
    choices = [_all_of(tokens)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        choices.append(_all_of(tokens))
    return frozenset().union(*choices) if all(choices) else frozenset()


def _all_of(tokens: list[str]) -> frozenset[str]:
    """Parse `A AND B`, which binds more tightly than OR. Consumes the parsed tokens."""
    found = _single(tokens)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        found |= _single(tokens)
    return found


def _single(tokens: list[str]) -> frozenset[str]:
    """Parse one licence, with its exception if any, or an expression in parentheses."""
    first = tokens.pop(0)
    if first == "(":
        inside = _one_of(tokens)
        tokens.pop(0)
        return inside
    return frozenset({first.replace("~", " WITH ")} if _GPL_ID.match(first) else ())
