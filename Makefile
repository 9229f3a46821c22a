# `make help` lists what there is. Only Python 3.11 or newer and make are needed to begin.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

.PHONY: help run setup test check format pin clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup ## set up, then run Sweepboard until Ctrl-C
	@exec $(BIN)/python manage.py up

setup: $(VENV)/.requirements ## make .venv with the pinned requirements and nothing else

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sweepboard needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.requirements: requirements.txt | $(BIN)/python
	@echo "Setting up .venv …"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.test-requirements: tests/requirements.txt tests/requirements-torch.txt requirements.txt | $(BIN)/python
	@echo "Setting up .venv with the tools for tests …"
	@$(PIP) -r tests/requirements.txt
	@$(PIP) -r tests/requirements-torch.txt
	@touch $@ $(VENV)/.requirements

test: $(VENV)/.test-requirements ## set up, then run the linters and every layer of tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m tests.run

check: $(VENV)/.test-requirements ## linters, types, import contracts, templates, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/deptry .

format: $(VENV)/.test-requirements ## format Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pin: $(VENV)/.test-requirements ## pin requirements.txt and tests/requirements.txt anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 tests/requirements.in -o tests/requirements.txt

clean: ## remove .venv, caches and the sample's state (var/)
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
