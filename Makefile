# `make help` lists what there is. Each target does its own set-up.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell python$(v) -c 'import sys; print(sys.executable)' 2>/dev/null)) python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e chaos bench lint format diagrams clips clean

help: ## This list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## The environment in .venv, with interview-worker in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "interview-worker needs Python 3.11 to 3.13; say which: make PYTHON=/path/to/python3.11 setup"; exit 1; }
	@echo "making the environment in $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## A whole spoken interview in a real LiveKit room, with no key and no setting
	@$(BIN)/interview-worker demo

test: $(READY) ## The tests, in minutes, with one whole interview on the real server
	@# Two at a time where time is virtual; one after the other where it is not.
	$(BIN)/python -m pytest -m "not e2e" -n 2 tests/unit tests/compat
	$(BIN)/python -m pytest -m "not e2e" tests/integration tests/e2e

e2e: $(READY) ## All tests on the real server
	$(BIN)/python -m pytest -m "e2e or real_server"

chaos: $(READY) ## Real interviews under random faults, and what was lost: make chaos N=20 SEED=7
	@PYTHONPATH=tests:tests/e2e $(BIN)/python -m chaos -n $(or $(N),20) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## Figures beside their baselines: start-up, memory, one transition, losses in a turn
	$(BIN)/python -m benchmarks

lint: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy states worker benchmarks examples
	@# One run a folder: each has a conftest.py, and mypy takes a name once.
	for folder in stand_ins chaos unit integration e2e compat; do $(BIN)/mypy tests/$$folder || exit 1; done

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

diagrams: $(READY) ## diagrams/ and the README's tables, anew from the code
	$(BIN)/python -m worker.readme

clips: $(READY) ## Speak the bundled clips anew
	$(BIN)/python -m worker.interview.make_clips

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
