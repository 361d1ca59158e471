"""Fixtures of every test come from tests/support; one line for each module that has some."""

pytest_plugins = [
    "tests.support.fixtures_artifacts",
    "tests.support.fixtures_servers",
    "tests.support.fixtures_storage",
    "tests.support.fixtures_store",
    "tests.support.fixtures_system",
    "tests.support.fixtures_torch",
    "tests.support.isolation",
    "tests.support.time_budget",
]
