# Two commands on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
EMPULSE := .venv-empulse
PUBLISHED := benchmarks/models_published.py
SIZE := benchmarks/training_size.py
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# The first Python between 3.11 and 3.13 that can make an environment; PYTHON=... chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c '$(FITS)' >/dev/null 2>&1 && echo $$name && break; done)

.PHONY: help setup demo test lint bench bench-models bench-size clean
.DEFAULT_GOAL := help

help:  ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.dev  ## An environment in .venv with everything for work on the code

demo: $(VENV)/.base  ## A sample company from tables to a list on http://127.0.0.1:8000
	$(BIN)/retention demo

test: setup lint  ## Linters, types and all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

bench: setup  ## Benchmarks of features and serving; prints tables, keeps them in benchmarks/results
	set -e; for script in $(filter-out $(PUBLISHED) $(SIZE),$(wildcard benchmarks/*.py)); do $(BIN)/python $$script; done

bench-models: $(VENV)/.bench-models $(EMPULSE)/.done  ## Models against the published and other learners (hours); ONLY="telco cdnow" runs some
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python $(PUBLISHED) --empulse $(EMPULSE)/bin/python $(if $(ONLY),--only $(ONLY))

bench-size: setup  ## Training of up to ten million rows (hours, 12 GB of memory, 15 GB of disk)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python $(SIZE)

clean:  ## Remove the environment, the demo and all caches
	rm -rf $(VENV) $(EMPULSE) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python from 3.11 to 3.13 with venv was found: install one (on Debian also python3-venv)" \
			"or name it, as in: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing (about a minute)"
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing (about a minute)"
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.base

$(VENV)/.bench-models: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e '.[bench-models]'
	@touch $@

# Under the AGPL, so apart from everything of ours: a benchmark hands it numbers in a file.
$(EMPULSE)/.done: | $(BIN)/python
	$(BIN)/python -m venv $(EMPULSE)
	$(EMPULSE)/bin/python -m pip --disable-pip-version-check -qq install 'empulse==0.13.*'
	@touch $@
