# Every target sets up what it needs. Python 3.11+ and make are all that a machine must have.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed

.PHONY: demo run test test-crash test-kills test-large test-api check format bench clean

demo: $(STAMP) ## one export from request to file, and a mail (SOURCE=postgresql for a real PostgreSQL)
	@$(BIN)/python -m demo.run

run: $(STAMP) ## serve on http://127.0.0.1:7071 until Ctrl-C (PORT=..., AZURITE_PORT=..., SOURCE=...)
	@$(BIN)/python -m demo.serve

test: $(STAMP) ## all tests but the slow ones
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-crash: $(STAMP) ## kill -9 at twenty points of an export; CRASH_KILLS=... for another number
	@CRASH_KILLS=$${CRASH_KILLS:-20} $(BIN)/python -m pytest tests/service/test_crashes.py

test-kills: $(STAMP) ## kill -9 of the embedded host or a worker, 500 times at random; KILLS=... for another number
	@LOCAL_HOST_KILLS=$${KILLS:-500} $(BIN)/python -m pytest -s --timeout 7200 tests/local_host/test_random_programs.py

test-large: $(STAMP) ## a workbook of five million rows, over five sheets
	@$(BIN)/python -m pytest --timeout 1200 tests/formats/large_xlsx.py

test-api: $(STAMP) ## schemathesis for minutes on the API, as each kind of caller; SCHEMATHESIS_SECONDS=... for another time
	@SCHEMATHESIS_SECONDS=$${SCHEMATHESIS_SECONDS:-180} $(BIN)/python -m pytest tests/service/test_openapi.py

check: $(STAMP) ## formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) $(BENCH_STAMP) ## the figures of the README; SUITE=service for one of them
	@$(BENCH_VENV)/bin/python -m bench $(SUITE)

clean: ## the environment, what was installed, and all state
	rm -rf $(VENV) $(BENCH_VENV) .sluice demo/azurite/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Sluice needs Python 3.11 or newer; this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned requirements into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(BENCH_STAMP): requirements.txt requirements-dev.txt requirements-bench.txt constraints.txt
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@echo "installing the peers into $(BENCH_VENV) ..."
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
