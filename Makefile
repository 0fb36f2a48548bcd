# Everything from a bare checkout with only make and Python 3.11 or newer:
#   make demo    the main job on the embedded model
#   make test    lint, types, import rule, tests with the coverage gate
# Both make .venv from the hash-pinned lock once; after that they start at once. The lock is complete (make lock), so nothing is
# resolved anew: a newer release of what only an extra names would have no hash.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# A name on the PATH proves nothing (a version manager's shim may lead nowhere), so each candidate is asked.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if "$$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	echo "$$name"; break; fi; done)

.PHONY: help demo test lint types unit local attack bench peers format lock clean

help:
	@echo "make demo    run the demo on the embedded model (first time: about 1.1 GB of weights)"
	@echo "make test    lint, types, import rule and all tests with the coverage gate"
	@echo "make attack  AgentDojo's attacks against the policy, all of them"
	@echo "make lint    ruff, mypy, pyright and the import rule only"
	@echo "make bench   cost of a claim, and of one step against a hand-written loop (less than 10 minutes)"
	@echo "make peers   the same with other frameworks, each in a virtual environment of its own"
	@echo "make lock    pin the dependencies anew"
	@echo "make clean   remove the virtual environments and all caches of the checkout"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "error: no Python 3.11 or newer with venv found on the PATH." >&2; \
	  echo "       Install it (Debian, Ubuntu: python3 and python3-venv) or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
	  exit 1; fi
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing the pinned dependencies"
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "installing the pinned development tools"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

demo: $(RUNTIME)
	@$(BIN)/surefoot demo

test: lint unit local
	@$(BIN)/coverage report

lint: $(DEV)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory types

types: $(DEV)
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

unit: $(DEV)
	@$(BIN)/coverage erase
	@$(BIN)/pytest -m "not local_model" -n 3 --dist worksteal --cov --cov-report= --cov-fail-under=0

# One process, one test at a time: the model is deterministic only then, and it fills both cores by itself.
local: $(DEV) unit
	@$(BIN)/pytest -m local_model --cov --cov-append --cov-report= --cov-fail-under=0

attack: $(DEV)
	@$(BIN)/surefoot attack

bench: $(RUNTIME)
	@$(BIN)/python bench/ledger.py
	@$(BIN)/python bench/run.py

peers: $(RUNTIME)
	@$(BIN)/python bench/run.py --peers

format: $(DEV)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

LOCK = .venv-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command "make lock" --extra local

lock: $(BIN)/python
	@$(BIN)/python -m venv .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	@$(LOCK) --upgrade --group build -o requirements.lock
	@$(LOCK) --extra attack --extra guard-onnx --extra mcp --group dev --constraint requirements.lock -o requirements-dev.lock

clean:
	@rm -rf $(VENV) .venv-lock .venv-bench-* build dist .coverage .coverage.* htmlcov .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache bench/out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
