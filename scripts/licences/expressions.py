"""Licence statements: what SPDX expression they are, and whether they oblige to the GPL."""

from __future__ import annotations

import re
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

#: What metadata says in its own words, where only one SPDX expression can be meant.
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
    """Return the SPDX expression that a statement is, None where that cannot be told."""
    words = _OWN_WORDS.get(statement.strip(), statement.strip())
    try:
        return str(canonicalize_license_expression(words))
    except InvalidLicenseExpression:
        return None


def identifiers(expression: str) -> set[str]:
    """The licences that an SPDX expression names, each with its exception if it has one."""
    joined = expression.replace(" WITH ", "~")
    return {
        token.replace("~", " WITH ")
        for token in _TOKENS.findall(joined)
        if token not in ("(", ")", "AND", "OR")
    }


def gpl_in(statement: str) -> frozenset[str]:
    """The GPL and AGPL licences that this statement leaves no choice about; never the LGPL.

    `MIT OR GPL-2.0-only` has none, `MIT AND GPL-2.0-only` has one. An exception (`WITH`) takes
    nothing away: what it permits is for people to judge. A statement that is no SPDX expression
    counts as a whole as soon as it speaks of the GPL.
    """
    expression = expression_of(statement)
    if expression is None:
        return frozenset({statement}) if _GPL_WORDS.search(statement) else frozenset()
    return _one_of(_TOKENS.findall(expression.replace(" WITH ", "~")))


def _one_of(tokens: list[str]) -> frozenset[str]:
    """A OR B: nothing obliges as soon as one choice has no GPL. Takes its tokens off the list."""
    choices = [_all_of(tokens)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        choices.append(_all_of(tokens))
    return frozenset().union(*choices) if all(choices) else frozenset()


def _all_of(tokens: list[str]) -> frozenset[str]:
    """A AND B, which binds closer than OR."""
    found = _single(tokens)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        found |= _single(tokens)
    return found


def _single(tokens: list[str]) -> frozenset[str]:
    """One licence with its exception, or an expression in brackets."""
    first = tokens.pop(0)
    if first == "(":
        inside = _one_of(tokens)
        tokens.pop(0)
        return inside
    return frozenset({first.replace("~", " WITH ")} if _GPL_ID.match(first) else ())
