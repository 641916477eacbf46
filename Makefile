# Two commands set everything up by themselves: `make round` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup reports round status ui test test-services chaos check format lint types contracts docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## virtual environment with every dependency pinned

$(READY): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

reports: setup ## the extra `reports`: Evidently, and the pandas that it can be imported beside
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-reports.txt

round: setup ## one whole round on the embedded default; again for the next one
	@$(BIN)/rounds round --new

status: setup ## champion, candidate, last rounds
	@$(BIN)/rounds status

ui: setup ## compare rounds in the MLflow UI at http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server --host 127.0.0.1 --port 5000 \
		--workers 1 --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./mlruns

test: setup ## unit tests and real rounds of the tiny profile
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not services and not chaos and not gpu"

test-services: reports ## tests with a real Prefect server and worker, a browser, and the extra `reports`
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
		|| echo "no chromium here: the browser test is skipped"
	$(BIN)/python -m pytest -q -m services

chaos: setup ## rounds are killed at every moment, servers die, the disk is full
	@# half of it on each of two cores
	$(BIN)/python -m pytest -q -m chaos -k anywhere_and & half=$$!; \
	$(BIN)/python -m pytest -q -m chaos -k "not anywhere_and"; other=$$?; wait $$half && exit $$other

check: lint types contracts ## everything that needs no test run

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

format: setup ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## write the generated pages anew
	$(BIN)/python -m cli.reference

lock: ## resolve pyproject.toml anew into requirements.txt and requirements-reports.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(' '.join(repr(d) for d in p['dependencies'] + p['optional-dependencies']['dev']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' > requirements.txt
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; print(' '.join(repr(d) for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['reports']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt > requirements-reports.txt

clean: ## remove the virtual environment and caches; data/ and mlflow.db stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
