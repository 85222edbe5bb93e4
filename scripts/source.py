"""Reads names, signatures, docstrings and comments from modules, without importing the modules."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
#: Methods that are documented although their names begin with an underscore.
_SPECIAL: Final = ("__call__",)


class NameNotFound(Exception):
    """Raised if a module neither defines a name nor imports the name."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"{module} neither defines nor imports {name}")


@dataclass(frozen=True, kw_only=True)
class Module:
    """A parsed module."""

    #: The path in the repository, for example states/table.py.
    path: str
    lines: tuple[str, ...]
    tree: ast.Module


@dataclass(frozen=True, kw_only=True)
class Found:
    """A public name, and the statement that defines it."""

    name: str
    module: Module
    node: ast.stmt


@cache
def module_of(repository: Path, name: str) -> Module:
    """Parse a module. `name` is its dotted name."""
    path = repository.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text(encoding="utf-8")
    return Module(
        path=path.relative_to(repository).as_posix(),
        lines=tuple(text.split("\n")),
        tree=ast.parse(text),
    )


def public_names(module: Module) -> list[str]:
    """Return the names in a module's `__all__`. Raises NameNotFound if it has none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and "__all__" in _defined_by(node):
            return [str(name) for name in ast.literal_eval(node.value)]
    raise NameNotFound(module.path, "__all__")


def find(repository: Path, module_name: str, name: str) -> Found:
    """Return the definition of a name. An import of the name is followed to its module.

    Raises NameNotFound if the module neither defines nor imports the name.
    """
    module = module_of(repository, module_name)
    for node in module.tree.body:
        if name in _defined_by(node):
            return Found(name=name, module=module, node=node)
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(repository, node.module, alias.name)
    raise NameNotFound(module.path, name)


def members_of(repository: Path, module_name: str, name: str) -> dict[str, str]:
    """Return the members of an enum, each with the `#:` comment above it."""
    found = find(repository, module_name, name)
    body = found.node.body if isinstance(found.node, ast.ClassDef) else []
    return {
        member: comment_above(found.module, node)
        for node in body
        if isinstance(node, ast.Assign)
        for member in _defined_by(node)
    }


def _defined_by(node: ast.stmt) -> tuple[str, ...]:
    """Return the names that a statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return (node.name,)
    if isinstance(node, ast.AnnAssign):
        return (node.target.id,) if isinstance(node.target, ast.Name) else ()
    if isinstance(node, ast.Assign):
        return tuple(target.id for target in node.targets if isinstance(target, ast.Name))
    return ()


def comment_above(module: Module, node: ast.stmt) -> str:
    """Return the `#:` comment directly above a statement, on one line; empty if there is none."""
    found: list[str] = []
    for line in reversed(module.lines[: node.lineno - 1]):
        text = line.strip()
        if not text.startswith("#:"):
            break
        found.insert(0, text.removeprefix("#:").strip())
    return " ".join(found)


def source_of(module: Module, node: ast.stmt) -> str:
    """Return a statement as it is written."""
    return "\n".join(module.lines[node.lineno - 1 : node.end_lineno])


def head_of(module: Module, node: Function | ast.ClassDef) -> str:
    """Return a definition up to its colon, with its decorators, as it is written."""
    body = node.body[0]
    last = _first_line(body)
    lines = list(module.lines[_first_line(node) - 1 : last - 1])
    # A body as short as `...` may stand in the line of the colon.
    lines.append(module.lines[last - 1][: body.col_offset])
    while not lines[-1].strip() or lines[-1].lstrip().startswith("#"):
        lines.pop()
    return textwrap.dedent("\n".join(lines)).rstrip()


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def constructor_of(node: ast.ClassDef) -> Function | None:
    """Return the `__init__` that a class defines itself; None if it has none."""
    return next((each for each in _methods(node) if each.name == "__init__"), None)


def public_methods(node: ast.ClassDef) -> list[Function]:
    """Return the public methods and properties that a class defines itself."""
    return [m for m in _methods(node) if not m.name.startswith("_") or m.name in _SPECIAL]


def _methods(node: ast.ClassDef) -> list[Function]:
    return [each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]


def attributes(module: Module, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the public attributes of a class, as code, with their meanings.

    These are the fields and members in the body of the class, and the attributes that `__init__`
    sets below a `#:` comment.
    """
    for statement in node.body:
        if any(not name.startswith("_") for name in _defined_by(statement)):
            if isinstance(statement, ast.AnnAssign):
                yield _field(statement), comment_above(module, statement)
            elif isinstance(statement, ast.Assign):
                yield _member(statement), comment_above(module, statement) or _text_of(statement)
    constructor = constructor_of(node)
    for statement in constructor.body if constructor else []:
        if (meaning := comment_above(module, statement)) and (code := _own_attribute(statement)):
            yield code, meaning


def _field(node: ast.AnnAssign) -> str:
    code = f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"
    if node.value is None or ast.unparse(node.value).startswith("field("):
        return code
    return f"{code} = {ast.unparse(node.value)}"


def _member(node: ast.Assign) -> str:
    """Return the member of an enum with its value, which is the first item if it is a tuple."""
    value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
    name = ast.unparse(node.targets[0])
    return f"{name} = {ast.unparse(value)}" if isinstance(value, ast.Constant) else name


def _text_of(node: ast.Assign) -> str:
    """Return the text of a member of a `TextEnum`; empty for any other member."""
    match node.value:
        case ast.Tuple(elts=[ast.Constant(), ast.Constant(value=str(text))]):
            return text
    return ""


def _own_attribute(node: ast.stmt) -> str:
    """Return `name` or `name: type` for a statement that sets a public attribute of `self`."""
    annotation = ""
    if isinstance(node, ast.AnnAssign):
        target: ast.expr = node.target
        annotation = f": {ast.unparse(node.annotation)}"
    elif isinstance(node, ast.Assign):
        target = node.targets[0]
    else:
        return ""
    code = ast.unparse(target)
    is_public = code.startswith("self.") and not code.startswith("self._")
    return code.removeprefix("self.") + annotation if is_public else ""
