"""Generates the reference of public names from their signatures, docstrings and comments.

The modules are parsed, not imported: the page of `worker.api` needs no LiveKit.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from scripts.markdown import cell, table
from scripts.source import (
    Found,
    Module,
    attributes,
    comment_above,
    constructor_of,
    find,
    head_of,
    module_of,
    public_methods,
    public_names,
    source_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scripts.source import Function

#: The lists in a docstring, with the words that introduce them on the page.
_LISTS: Final = {"Args:": "Arguments:", "Attributes:": "Attributes:", "Raises:": "Raises:"}
_ITEM: Final = re.compile(r" {4}(\w+): (.*)")


def names_reference(repository: Path, module: str) -> str:
    """Return a section for each name in the `__all__` of a module, in that order.

    Raises NameNotFound if a name is not defined in this repository.
    """
    return sections(repository, module, public_names(module_of(repository, module)))


def sections(repository: Path, module: str, names: Iterable[str]) -> str:
    """Return a section for each of these names of a module.

    Raises NameNotFound if a name is not defined in this repository.
    """
    return "\n".join(_section(find(repository, module, name)) for name in names)


def _section(found: Found) -> str:
    path, node = found.module.path, found.node
    parts = [f"### `{found.name}`", f"In [{path}](../../{path})."]
    if isinstance(node, ast.ClassDef):
        parts += _class(found.module, node)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        parts += _function(found.module, node)
    else:
        parts += _constant(found.module, node)
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _class(module: Module, node: ast.ClassDef) -> list[str]:
    constructor = constructor_of(node)
    code = head_of(module, node)
    if constructor is None:
        code += " ..."
    else:
        indented = [f"    {line}" for line in head_of(module, constructor).splitlines()]
        code = "\n".join([code, *indented]) + " ..."
    parts = [_code(code), as_markdown(ast.get_docstring(node) or "")]
    rows = [(f"`{cell(each)}`", cell(meaning)) for each, meaning in attributes(module, node)]
    if rows:
        parts.append(table(("attribute", "meaning"), rows))
    for method in public_methods(node):
        parts += [f"#### `{node.name}.{method.name}`", *_function(module, method)]
    return parts


def _function(module: Module, node: Function) -> list[str]:
    code = _code(f"{head_of(module, node)} ...")
    return [code, as_markdown(ast.get_docstring(node) or "")]


def _constant(module: Module, node: ast.stmt) -> list[str]:
    code = source_of(module, node)
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) != "TypeAlias":
        code = f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"
    return [_code(code), comment_above(module, node)]


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def as_markdown(docstring: str) -> str:
    """Return a docstring as Markdown, with its lists of arguments and errors as Markdown lists."""
    lines: list[str] = []
    in_list = False
    for line in docstring.splitlines():
        if line in _LISTS:
            in_list = True
            lines += [_LISTS[line], ""]
        elif in_list and (item := _ITEM.fullmatch(line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif in_list and line.startswith(" "):
            lines.append(f"  {line.strip()}")
        else:
            in_list = in_list and not line
            lines.append(line)
    return "\n".join(lines)
