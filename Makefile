# Set-up is part of every command: nothing has to be done by hand on a machine with Python 3.11+
# and either the Pulumi CLI or Go.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

STRATEGY ?= backup-restore
AIRFLOW ?= 2.10.3
OUTAGE ?= hang

.PHONY: setup pulumi test lint format types unit engine airflow matrix catalogues drills lock
.PHONY: drill preview local-up local-down local-env bench

setup: build/.setup-done

build/.setup-done: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock --python $(BIN)/python
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable . --python $(BIN)/python
	@mkdir -p build && touch $@

lock:
	$(BIN)/uv pip compile --quiet --universal --all-extras --generate-hashes --no-emit-index-url \
	  --no-header pyproject.toml -o requirements.lock

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup
	$(BIN)/basedpyright

unit: setup
	$(BIN)/pytest -q -n 2 -m "not engine and not airflow and not drill and not matrix and not edges"

pulumi: setup
	@$(BIN)/python -m local.pulumi.install

engine: pulumi
	rm -rf build/machine-edges
	$(BIN)/pytest -q -n 2 --dist loadfile -m "engine and not airflow and not drill and not matrix"
	$(BIN)/pytest -q -m edges tests/handlers

airflow: setup
	$(BIN)/pytest -q -n 2 --dist loadfile -m "airflow and not drill and not matrix"

# Every other supported Airflow, fresh and upgraded; a drill on Airflow 3 among them.
matrix: pulumi
	$(BIN)/pytest -q -m matrix
	MWAA_TEST_AIRFLOW=3.2.1 $(BIN)/pytest -q tests/mwaa/test_mwaa_environment.py

# What their databases look like, for the tests of the rules; after a release was added.
catalogues: setup
	@$(BIN)/python -m tests.metadata.metadata_versions

drills: pulumi
	$(BIN)/pytest -q -m "drill and not matrix"

test: lint types unit engine airflow drills

drill: pulumi
	@$(BIN)/python -m local.drill --strategy $(STRATEGY) --airflow $(AIRFLOW) --outage $(OUTAGE) \
		$(if $(SAME_REGION),--same-region) $(if $(PAST),--past $(PAST)) \
		$(if $(CLOCKS),--clocks-apart $(CLOCKS)) $(if $(PRIVATE),--private)

# What a pull request shows, in build/preview/report.md; fails where a mandatory rule is broken.
preview: pulumi
	@$(BIN)/python -m local.preview

local-up: pulumi
	@$(BIN)/python -m local up

local-down: setup
	@$(BIN)/python -m local down

local-env: setup
	@$(BIN)/python -m local env

# Nothing else should run meanwhile; BENCH="--help" lists what can be chosen.
bench: setup
	@$(BIN)/python -m bench.metadata $(BENCH)
