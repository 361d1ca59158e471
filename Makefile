# One command for each thing a developer does; CI and pre-commit call the same targets.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then command -v $$python; break; fi; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock
PYTEST := $(BIN)/python -m pytest
UNIT_BUDGET_SECONDS := 10
TEST_BUDGET_SECONDS := 900
TEST_LONG_BUDGET_SECONDS := 2400

.DEFAULT_GOAL := help
.PHONY: help install format lint types test test-long soak bench demo up lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed-dev ## set up .venv with everything that development needs

format: $(VENV)/.installed-dev ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: $(VENV)/.installed-dev ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev ## check types, strictly
	$(BIN)/mypy

test: $(VENV)/.installed-dev ## run the tests, with real servers
	$(PYTEST) -m "not long and not soak and not device" --durations=15 \
		--unit-budget-seconds $(UNIT_BUDGET_SECONDS) \
		--session-budget-seconds $(TEST_BUDGET_SECONDS)

test-long: $(VENV)/.installed-dev ## run the tests that take minutes
	$(PYTEST) -m "long and not soak and not device" --durations=15 --timeout 1800 \
		--session-budget-seconds $(TEST_LONG_BUDGET_SECONDS)

soak: $(VENV)/.installed-dev ## run a million images and watch memory (hours)
	$(PYTEST) -m soak --timeout 0

bench: $(VENV)/.installed-dev ## measure against peers on this machine
	$(BIN)/python -m benchmarks

demo: $(VENV)/.installed-demo ## label the bundled data set with everything embedded
	$(BIN)/nestor demo

up: $(VENV)/.installed-demo ## run everything on this machine until Ctrl-C
	$(BIN)/nestor up

lock: $(BIN)/python ## resolve the newest versions and pin them in requirements.lock
	.ci/lock $(BIN)/python

clean: ## remove .venv and all that tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-dev: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.installed-demo: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP_INSTALL) -e '.[cpu,embedded]'
	@touch $@
