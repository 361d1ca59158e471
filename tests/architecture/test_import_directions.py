"""Who may import whom, proved from the source itself."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.source_tree import Module, imported_names, modules

FORBIDDEN = {
    "shared": {"producer", "worker", "tests", "benchmarks", "training"},
    "producer": {"worker", "tests", "benchmarks", "training"},
    "worker": {"producer", "tests", "benchmarks", "training"},
}

TORCH = {"torch", "torchvision", "nncf", "resnest", "timm"}
MAY_IMPORT_TORCH = (
    "worker/models/",
    "worker/compilation/",
    "worker/devices/torch_device.py",
    "worker/preprocessing/torch_resize.py",
)


def offences(module: Module) -> Iterator[str]:
    """Each import of a module that the layering forbids."""
    for name, line in imported_names(module.tree):
        top = name.partition(".")[0]
        if top in FORBIDDEN[module.package] or not top:
            yield f"{module.path}:{line} imports {name}"
        if top in TORCH and not module.path.startswith(MAY_IMPORT_TORCH):
            yield f"{module.path}:{line} imports {name}"


def test_the_three_packages_are_found():
    assert {module.package for module in modules()} == {"shared", "producer", "worker"}
    assert len(modules()) > 10


def test_imports_go_in_the_allowed_directions_only():
    assert [offence for module in modules() for offence in offences(module)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/x.py", "from producer.app import main"),
        ("producer/x.py", "def f():\n    import worker.tasks"),
        ("worker/x.py", "from producer import chunker"),
        ("worker/x.py", "import importlib\nimportlib.import_module('producer.app')"),
        ("worker/x.py", "from . import tasks"),
        ("producer/x.py", "import torch.nn"),
        ("worker/pipeline/x.py", "def f():\n    from torch import nn"),
        ("shared/x.py", "from tests.support import valkey"),
    ],
)
def test_a_forbidden_import_is_found(path, text):
    module = Module(path=path, tree=ast.parse(text), line_count=1)

    assert len(list(offences(module))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("worker/models/x.py", "import torch"),
        ("producer/x.py", "from shared.settings import Settings"),
        ("worker/x.py", "from worker.devices import base"),
    ],
)
def test_an_allowed_import_is_let_through(path, text):
    module = Module(path=path, tree=ast.parse(text), line_count=1)

    assert list(offences(module)) == []


def direct_sends(module: Module) -> Iterator[str]:
    """Each use of a task object where its name should be sent."""
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in {"delay", "apply_async", "signature"}:
            yield f"{module.path}:{node.lineno} calls .{node.func.attr}()"


def test_celery_tasks_are_sent_by_name():
    senders = [
        module.path
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "send_task"
    ]

    assert [offence for module in modules() for offence in direct_sends(module)] == []
    assert any(path.startswith("producer/") for path in senders)


def test_sending_a_task_object_is_found():
    module = Module(path="producer/x.py", tree=ast.parse("task.apply_async((1,))"), line_count=1)

    assert list(direct_sends(module)) == ["producer/x.py:1 calls .apply_async()"]
