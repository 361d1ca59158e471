"""Fails a session that takes longer than it may: slow suites are not run.

`--session-budget-seconds` is wall-clock time from start to end; `--unit-budget-seconds` is the
processor time of the tests under tests/unit, which do nothing but compute, so that a busy machine
does not fail them. Zero, the default, means no budget.
"""

import time
from collections import defaultdict
from collections.abc import Generator

import pytest

UNIT_PREFIX = "tests/unit/"


class TimeBudget:
    """Adds up what tests take and judges at the end."""

    def __init__(self, *, session_seconds: float, unit_seconds: float) -> None:
        self._budgets = {"session": session_seconds, "unit": unit_seconds}
        self._began = time.monotonic()
        self._spent: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        began = time.process_time()
        try:
            return (yield)
        finally:
            if item.nodeid.startswith(UNIT_PREFIX):
                self._spent["unit"] += time.process_time() - began

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._spent["session"] = time.monotonic() - self._began
        if self._overruns() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for overrun in self._overruns():
            terminalreporter.write_line(f"FAILED time budget: {overrun}", red=True)

    def _overruns(self) -> list[str]:
        return [
            f"the {name} tests took {self._spent[name]:.1f} s, more than {budget:g} s"
            for name, budget in self._budgets.items()
            if budget and self._spent[name] > budget
        ]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("time budget")
    group.addoption("--session-budget-seconds", type=float, default=0.0)
    group.addoption("--unit-budget-seconds", type=float, default=0.0)


def pytest_configure(config: pytest.Config) -> None:
    budget = TimeBudget(
        session_seconds=config.getoption("--session-budget-seconds"),
        unit_seconds=config.getoption("--unit-budget-seconds"),
    )
    config.pluginmanager.register(budget, "nestor-time-budget")
