"""What is depended on is pinned in the lock and explained in docs/decisions."""

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.source_tree import ROOT


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(text) for texts in lists for text in texts]
    return [requirement for requirement in found if requirement.name != "nestor"]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.partition("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pins}


def test_every_dependency_is_locked_to_a_version_that_it_allows():
    pins = locked()

    unfit = {
        str(requirement)
        for requirement in declared()
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    }

    assert unfit == set()


def test_the_lock_names_versions_only():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert len(pins) > 50
    assert [pin for pin in pins if not Requirement(pin).specifier or "+" in pin or "@" in pin] == []
    assert "torch==2.13.0" in pins


def test_every_dependency_has_its_reason_in_the_decisions():
    text = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]

    unexplained = {r.name for r in declared() if not any(r.name in row for row in rows)}

    assert unexplained == set()
