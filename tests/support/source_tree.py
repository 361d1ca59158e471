"""The project's own source, as syntax trees, for tests of its structure."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "producer", "worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file of a package."""

    path: str
    tree: ast.Module
    line_count: int

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the three packages."""
    return tuple(
        Module(path=str(path.relative_to(ROOT)), tree=ast.parse(text), line_count=text.count("\n"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in [path.read_text()]
    )


def imported_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that is imported anywhere in a tree, lazily or not, with its line.

    `import_module("x")` and `__import__("x")` count too, where the name is written out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = _origin(node)
            yield from ((origin + alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            named = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
            yield from ((str(name), node.lineno) for name in named)


def _origin(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.Import):
        return ""
    return f"{'.' * node.level}{node.module or ''}."


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}
