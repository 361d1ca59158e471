"""Sizes that keep the source readable; there is no list of exceptions."""

import ast

import pytest

from tests.support.source_tree import ROOT, Module, modules

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 40
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc", "core"}


def function_lengths(module: Module) -> dict[str, int]:
    """Lines of each function, its signature and docstring counted, its decorators not."""
    return {
        f"{module.path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_no_module_is_longer_than_300_lines():
    too_long = {m.path: m.line_count for m in modules() if m.line_count > MAX_MODULE_LINES}

    assert too_long == {}


def test_no_function_is_longer_than_40_lines():
    too_long = {
        name: lines
        for module in modules()
        for name, lines in function_lengths(module).items()
        if lines > MAX_FUNCTION_LINES
    }

    assert too_long == {}


def test_no_module_has_a_name_that_says_nothing():
    vague = [m.path for m in modules() if VAGUE_NAMES & set(m.path[: -len(".py")].split("/"))]

    assert vague == []


def test_every_folder_of_a_package_is_a_package():
    folders = {(ROOT / module.path).parent for module in modules()}

    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(("body_lines", "expected"), [(39, 40), (40, 41)])
def test_the_length_of_a_function_counts_its_first_line_and_its_docstring(body_lines, expected):
    text = "@property\ndef f():\n" + '    """Docstring."""\n' + "    x = 1\n" * (body_lines - 1)
    module = Module(path="shared/x.py", tree=ast.parse(text), line_count=0)

    assert list(function_lengths(module).values()) == [expected]
