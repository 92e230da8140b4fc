# Everything here needs Python 3.11+, git and make; nothing else. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup up down test test-fast lint format types bench lock

BIN := .venv/bin
CODE := libs services tests
WORKERS ?= 2
# The first Python that is new enough; PYTHON=/path/to/python3.12 chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

help:  ## List what can be made.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup:  ## Create .venv from the hashed requirements.lock; quick when it is up to date.
	@$(or $(PYTHON),python3) deploy/local/bootstrap.py

up: setup  ## Start everything (servers, services, demo) and say what to open.
	@$(BIN)/loop up

down:  ## Stop everything; data stays in .loop.
	@test -x $(BIN)/loop || { echo "Nothing is set up here: make up"; exit 1; }
	@$(BIN)/loop down

test: setup lint  ## Lint, types, then every test, on a stack of its own.
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile tests

test-fast: setup  ## The tests that need no servers.
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile tests/unit tests/contract tests/architecture

lint: setup  ## Style, import directions and types.
	@echo "ruff …" && $(BIN)/ruff check $(CODE) deploy && $(BIN)/ruff format --check $(CODE) deploy
	@echo "import-linter …" && $(BIN)/lint-imports --no-cache | tail -n 1
	@echo "mypy …" && $(BIN)/mypy libs services

format: setup  ## Write the code as ruff would.
	@$(BIN)/ruff check --fix $(CODE) deploy && $(BIN)/ruff format $(CODE) deploy

bench: setup  ## Measure signal → score, accepting, imports, health, churn; fuzz; read words. Results: tests/bench/results.
	@$(BIN)/python -m tests.bench.signal_to_score
	@$(BIN)/python -m tests.bench.accepting
	@$(BIN)/python -m tests.bench.imports
	@$(BIN)/python -m tests.bench.health_speed
	@$(BIN)/python -m tests.bench.health_chaos
	@$(BIN)/python -m tests.bench.backtest_speed
	@$(BIN)/python -m tests.bench.churn_speed
	@$(BIN)/python -m tests.bench.churn_backtests
	@$(BIN)/python -m tests.bench.telco_table
	@$(BIN)/python -m tests.bench.sentiment
	@$(BIN)/python -m tests.bench.fuzzing

lock: setup  ## Write requirements.lock anew (its first lines hold the command), and Kafka's lock.
	@$(BIN)/python deploy/local/bootstrap.py --lock
