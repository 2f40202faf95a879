# Foresail. `make up` runs it, `make test` tests it; both install what they need and are safe to repeat.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup train tools up down test check format bench clean

PYTHON ?= python3
CACHE ?= $(or $(FORESAIL_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/foresail)
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/$(UV_VERSION)/bin/uv)
STAMP := .venv/.foresail-setup
TRAIN_STAMP := .venv/.foresail-train
BENCH_STAMP := .venv/.foresail-bench
RUN := .venv/bin/python -m foresail.sandbox
export UV_COMPILE_BYTECODE := 1

CLUSTER ?= sandbox
PROMETHEUS ?=
SPEED ?= 20
MINUTES ?=
WORKERS ?= $(if $(ARGS),0,2)

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16
	@echo '  variables: SPEED=20 MINUTES=10 CLUSTER=sandbox|current PROMETHEUS=URL WORKERS=2'

up: setup ## start a cluster and run the main job on it (CLUSTER=current PROMETHEUS=URL: on yours)
ifeq ($(CLUSTER),sandbox)
	@tools=$$($(PYTHON) tools/build.py | tail -n 1) && FORESAIL_TOOLS=$$tools \
	  exec $(RUN) up --speed $(SPEED) $(if $(MINUTES),--minutes $(MINUTES))
else
	@exec $(RUN) attach --cluster $(CLUSTER) --prometheus '$(PROMETHEUS)' $(if $(MINUTES),--minutes $(MINUTES))
endif

down: ## end whatever an earlier `make up` left running
	@if [ -x .venv/bin/python ]; then $(RUN) down; else echo 'nothing was ever started from here'; fi

test: setup $(TRAIN_STAMP) ## everything, what CI runs, in two worker processes (ARGS='tests/unit -k x': some of it, in one)
	@tools=$$($(PYTHON) tools/build.py | tail -n 1) && FORESAIL_TOOLS=$$tools .venv/bin/python -m pytest -n $(WORKERS) $(ARGS)

check: setup ## format, lint and types, in seconds
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

format: setup ## format and mend what can be mended
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench: setup $(TRAIN_STAMP) $(BENCH_STAMP) ## measure: the table in docs/benchmarks.md, and JSON beside it
	@tools=$$($(PYTHON) tools/build.py | tail -n 1) && FORESAIL_TOOLS=$$tools .venv/bin/python -m benchmarks $(ARGS)

setup: $(STAMP) ## the environment, from the lock file
	@echo 'environment: ready (.venv)'

$(STAMP): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("$(PYTHON): Python 3.11 or newer is needed, got " + sys.version.split()[0] + "; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@if [ ! -x '$(UV)' ]; then echo 'environment: no uv found, installing $(UV_VERSION) from PyPI with pip …'; \
	  $(PYTHON) -m pip --version > /dev/null 2>&1 || { echo '$(PYTHON) has no pip: install it (python3-pip) or uv'; exit 1; }; \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target '$(CACHE)/uv/$(UV_VERSION)' 'uv==$(UV_VERSION)'; fi
	@started=$$SECONDS; echo 'environment: from the lock file …'; \
	  '$(UV)' sync --frozen --quiet --python "$$(command -v $(PYTHON))" && touch $(STAMP) && echo "environment: done in $$((SECONDS - started)) s"

train: setup $(TRAIN_STAMP) ## the environment with torch and pyro too, to train forecasts (gigabytes)
	@echo 'environment: ready to train'

# Without bytecode of its own: compiling all of torch takes longer than what of it is ever imported.
$(TRAIN_STAMP): $(STAMP)
	@started=$$SECONDS; echo 'environment: torch and pyro, for training (gigabytes, once) …'; \
	  UV_COMPILE_BYTECODE=0 '$(UV)' sync --frozen --quiet --inexact --extra train && touch $(TRAIN_STAMP) \
	  && echo "environment: torch and pyro after $$((SECONDS - started)) s"

# CBC, the rival of the plans: no part of the product and of its tests.
$(BENCH_STAMP): $(STAMP)
	@'$(UV)' sync --frozen --quiet --inexact --group bench && touch $(BENCH_STAMP)

tools: ## build the control plane's binaries into the cache; the last line is their folder
	@$(PYTHON) tools/build.py

clean: down ## remove what lies in the checkout (the cache in ~/.cache/foresail stays)
	@rm -rf .venv .foresail .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
