# `make help` lists what there is. Each target does its own set-up.
# The name and not sys.executable, whose path may have a space.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell python$(v) -c 'print("python$(v)")' 2>/dev/null)) python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Only files whose hash is in the lock file, and no build of a package from its source.
LOCKED := install --require-hashes --only-binary :all: -r

PYTEST := $(BIN)/python -m pytest
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN)
# Scenarios at the same time. An interview takes half a processor with its candidate, and the start
# of a worker a whole one; where none is free the candidate stutters, and is misheard.
E2E_WORKERS ?= 2
# CI runs the one interview of `make test` before this.
ROTATION := $(if $(ROTATE),--rotate $(ROTATE) --ignore tests/e2e/test_interview.py)

# Without bytecode on the disk each process of a test compiles the worker and the tests: 4 s.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo check unit test test-whole test-unit e2e chaos fuzz bench lint format diagrams clips \
  lock audit package clean

help: ## This list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## The environment in .venv, with interview-worker in it

$(READY): pyproject.toml states/pyproject.toml requirements/development.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "interview-worker needs Python 3.11 to 3.13; say which: make PYTHON=/path/to/python3.11 setup"; exit 1; }
	@echo "making the environment in $(VENV) (a minute or two, once)"
	@# One whose python is missing or of another version is made from nothing: venv would keep it.
	@version='import sys; print(sys.version_info[:2])'; clear=; \
	  if [ -e "$(VENV)/pyvenv.cfg" ] && [ "$$("$(BIN)/python" -c "$$version" 2>/dev/null)" != \
	    "$$("$(PYTHON)" -c "$$version")" ]; then clear=--clear; fi; \
	  "$(PYTHON)" -m venv $$clear "$(VENV)"
	@$(PIP) $(LOCKED) requirements/development.lock
	@# Nothing is fetched any more: setuptools, which builds both projects, is in the lock file.
	@$(PIP) install --no-index --no-deps --no-build-isolation -e ./states -e .
	@touch $@

demo: $(READY) ## A whole spoken interview in a real LiveKit room, with no key and no setting
	@$(BIN)/interview-worker demo

# `make test` tries every example of each property (tests/support/examples.py).
unit: $(READY) ## The tests of single modules, with a quarter of the examples, in 90 s
	$(PYTEST) -n logical --hypothesis-profile few tests/unit

test: $(READY) ## The tests, in minutes, with one whole interview on the real server
	@$(MAKE) --no-print-directory -j 2 test-whole test-unit

# The interview has a processor to itself: where none is free for it the candidate stutters, and is
# misheard. Many of the others wait for a server: there is one process more than processors.
test-whole: $(READY)
	$(PYTEST) -q tests/e2e/test_interview.py
	$(PYTEST) -n $$(($(PROCESSORS) + 1)) --dist loadgroup tests/scenarios tests/compat tests/integration

test-unit: $(READY)
	nice -n 19 $(PYTEST) -n $$(($(PROCESSORS) > 1 ? $(PROCESSORS) - 1 : 1)) tests/unit tests/fuzz

check: lint unit ## What to run before each commit: lint and unit

e2e: $(READY) ## All tests on real workers and the real server; ROTATE=COMMIT runs those of CI
	@# pytest exits with 5 where no test is selected: all that run alone may rotate.
	$(PYTEST) -m alone $(ROTATION) tests/e2e || [ $$? -eq 5 ]
	$(PYTEST) -n $(E2E_WORKERS) --dist loadgroup -m "not alone" $(ROTATION) tests/e2e

chaos: $(READY) ## Real interviews under random faults, and what was lost: make chaos N=20 SEED=7
	@$(BIN)/python -m tests.chaos -n $(or $(N),20) $(if $(SEED),--seed $(SEED))

fuzz: $(READY) ## Damaged documents for every parser: make fuzz MINUTES=60 SEED=7
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## Figures beside their baselines: start-up, memory, one transition, losses in a turn
	$(BIN)/python -m benchmarks

lint: $(READY) ## ruff, mypy --strict, and the layers (pyproject.toml, importlinter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy states worker scripts benchmarks examples tests
	$(BIN)/lint-imports --no-logo --no-cache

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

diagrams: $(READY) ## diagrams/, the reference pages and the alert rules, made again from the code
	$(BIN)/python -m scripts.pages_from_code
	$(BIN)/python -m scripts.reference_pages

clips: $(READY) ## Speak the bundled clips anew
	$(BIN)/python -m scripts.record_clips

lock: $(READY) ## requirements/*.lock, made again; UPGRADE=1 takes the newest versions that fit
	$(BIN)/python -m scripts.lock $(if $(UPGRADE),--upgrade)

audit: ## Known vulnerabilities of the packages in runtime.lock; SERVICE=osv asks api.osv.dev
	@"$(PYTHON)" -m venv "$(VENV)/audit"
	@$(VENV)/audit/bin/python -m pip --quiet --disable-pip-version-check $(LOCKED) requirements/audit.lock
	@$(VENV)/audit/bin/python -m scripts.audit $(if $(SERVICE),--service $(SERVICE))

package: $(READY) ## dist/: wheels, source distributions and the bill of materials (SBOM)
	rm -rf dist build *.egg-info states/build states/*.egg-info
	$(BIN)/python -m build --no-isolation --outdir dist states
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m scripts.sbom dist

clean: ## Remove what the other targets made
	rm -rf "$(VENV)" build dist *.egg-info states/build states/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
