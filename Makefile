# Everything a developer types. Needs Python 3.11 or newer and make; nothing has to be activated.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
BIN := .venv/bin
READY := .venv/.installed
ifndef SEED
SEED := $(shell date +%s)
endif
MINUTES ?= 5
TOGETHER ?= 10
ONLY ?= tests
JOBS ?= 3
# What runs side by side shows its output when it is done. Make 3 cannot do that and mixes the lines.
GROUPED := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-unit test-integration test-operations test-migrations test-faults test-e2e faults lint types format schema dashboards client client-test check-infra bench

test test-unit test-integration test-operations test-migrations test-faults test-e2e faults client-test: export CONVERGIO_TEST_SEED := $(SEED)

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with locked versions (again only when they change)
	@echo "setup: .venv holds the locked versions; $(BIN)/convergio is the command line"

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; install it, or run make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv module; install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@echo "setup: installing the locked versions into .venv; once, and it takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## The whole pipeline on this machine, with traffic; Ctrl-C stops it
	@trap : INT; $(BIN)/convergio demo && echo "demo: stopped, nothing is left running"

up: $(READY) ## The whole pipeline on this machine, without traffic; its data stays in data/
	@trap : INT; $(BIN)/convergio up && echo "up: stopped, nothing is left running; its data is in data/"

test: $(READY) lint ## Everything: lint, types, the client, and tests against real Kafka and ClickHouse, from SEED
	@echo "test: the groups run $(JOBS) at a time (JOBS=1: one after the other); each shows its output at its end"
	@$(MAKE) --no-print-directory --keep-going --jobs $(JOBS) $(GROUPED) SEED=$(SEED) \
		test-operations test-faults client-test test-integration test-e2e test-unit test-migrations types && \
		echo "test: all passed; the same chance again with make test SEED=$(SEED)"

test-unit: $(READY) ## Of make test: pure code, and what outsiders rely on
	@$(BIN)/pytest -m "(unit or contract) and not long"

test-integration: $(READY) ## Of make test: one service against real Kafka and ClickHouse
	@$(BIN)/pytest -m "integration and not long"

test-operations: $(READY) ## Of make test: the command line, the local stack, users, TLS, logs and addresses
	@$(BIN)/pytest -m "operations and not long"

test-migrations: $(READY) ## Of make test: what an upgrade does to tables, topics and stored rows
	@$(BIN)/pytest -m "migration and not long"

test-faults: $(READY) ## Of make test: what can go wrong, in short
	@$(BIN)/pytest -m "fault and not long"

test-e2e: $(READY) ## Of make test: the whole pipeline
	@$(BIN)/pytest -m "e2e and not long"

faults: $(READY) ## Everything that can go wrong, for MINUTES (5) at random from SEED: nothing lost, nothing twice
	@CONVERGIO_TEST_MINUTES=$(MINUTES) CONVERGIO_TEST_TOGETHER=$(TOGETHER) \
		$(BIN)/pytest -m "fault or long" $(ONLY) && \
		echo "faults: nothing was lost and nothing counted twice; again with make faults SEED=$(SEED) MINUTES=$(MINUTES) TOGETHER=$(TOGETHER)"

lint: $(READY) ## Style and likely mistakes
	@$(BIN)/ruff check .
	@echo "lint: no findings"

types: $(READY) ## Types, strictly
	@$(BIN)/mypy
	@echo "types: every call fits"

format: $(READY) ## Sort imports and repair what can be repaired
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .
	@echo "format: done; make lint says what is left"

schema: $(READY) ## Write schemas/events.schema.json from schemas/events.py
	@$(BIN)/python -m schemas.json_schema
	@echo "schema: the committed JSON Schema says what schemas/events.py says"

dashboards: $(READY) ## Write Grafana's dashboards in infra/deploy/grafana from infra/grafana
	@$(BIN)/python -m infra.grafana
	@echo "dashboards: the committed JSON says what infra/grafana says"

client: $(READY) ## Build the npm packages, the study app and the overview; npm packages are installed when their lock changes
	@client/scripts/install.sh
	@cd client && scripts/node.sh npm run --silent build
	@echo "client: the packages are in client/core/dist and client/react/dist, the study app is in infra/web, the overview in exporter/web"

client-test: $(READY) ## Lint, types and tests of the client, in a real browser too if there is one
	@client/scripts/test.sh

check-infra: $(READY) ## What stands around the services: alerts, balancers, TLS, users, packages; ends with what could not run
	@$(BIN)/python -m infra.checks

bench: $(READY) ## Measure throughput and latency on this machine
	@command -v wrk >/dev/null && $(BIN)/python -m benchmarks.gateway.run || \
		echo "gateway: left out, it needs wrk (Debian: apt-get install wrk)"
	@$(BIN)/python -m benchmarks.processor.throughput
	@$(BIN)/python -m benchmarks.processor.cold --histories 10,100,1000
	@$(BIN)/python -m benchmarks.pipeline.run
	@$(BIN)/python -m benchmarks.exporter.refresh --sessions 3000000
	@echo "bench: measured on this machine; only ratios carry over to others"
