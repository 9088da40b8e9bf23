# Every target sets up what it needs. Python 3.11+ and make are all that a machine must have.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed
CLIENTS_VENV := .venv-clients
CLIENTS_STAMP := $(CLIENTS_VENV)/.installed
AUDIT_VENV := .venv-audit
AUDIT_STAMP := $(AUDIT_VENV)/.installed
DOCS_VENV := .venv-docs
DOCS_STAMP := $(DOCS_VENV)/.installed
LOCK_VENV := .venv-lock
UV := uv==0.13.8

.PHONY: demo run test test-all test-crash test-kills test-large test-delivery test-pages test-api test-clients test-attack test-operations messages check \
	verify-audit format lock bench docs reference clean

demo: $(STAMP) ## one export from request to file, and a mail (SOURCE=postgresql for a real PostgreSQL)
	@$(BIN)/python -m demo.run

run: $(STAMP) ## serve on http://127.0.0.1:7071 until Ctrl-C (PORT=..., AZURITE_PORT=..., SOURCE=...)
	@$(BIN)/python -m demo.serve

test: $(STAMP) ## all tests but the slow ones
	@$(BIN)/python -m pytest -n 3 --dist loadfile

test-all: test test-crash test-kills test-large test-delivery test-pages test-api test-clients test-attack test-operations ## every suite; hours, and Chromium for test-pages

test-crash: $(STAMP) ## kill -9 at twenty points of an export; CRASH_KILLS=... for another number
	@CRASH_KILLS=$${CRASH_KILLS:-20} $(BIN)/python -m pytest tests/service/test_crashes.py

test-kills: $(STAMP) ## kill -9 of the embedded host or a worker, 500 times at random; KILLS=... for another number
	@LOCAL_HOST_KILLS=$${KILLS:-500} $(BIN)/python -m pytest -s --timeout 7200 tests/local_host/test_random_programs.py

test-large: $(STAMP) ## a workbook of five million rows, over five sheets
	@$(BIN)/python -m pytest --timeout 1200 tests/formats/large_xlsx.py

test-delivery: $(STAMP) ## two hundred exports at once, every second one downloaded; DELIVERY_EXPORTS=... for another number
	@DELIVERY_EXPORTS=$${DELIVERY_EXPORTS:-200} $(BIN)/python -m pytest tests/service/test_delivery.py

test-pages: $(STAMP) ## mails and pages in Chromium (CHROMIUM=... for its path), with axe; pictures in .sluice/pages
	@$(BIN)/python -m pytest tests/notices/pages_in_a_browser.py tests/notices/docs_in_a_browser.py tests/service/links_in_a_browser.py

test-api: $(STAMP) ## cancelling within 5 s; schemathesis for minutes as each kind of caller (SCHEMATHESIS_SECONDS=...)
	@CANCEL_SECONDS=5 $(BIN)/python -m pytest tests/service/test_cancel.py
	@SCHEMATHESIS_SECONDS=$${SCHEMATHESIS_SECONDS:-180} $(BIN)/python -m pytest tests/service/test_openapi.py

test-attack: $(STAMP) ## every hostile input of every family, and a table of what got through
	@ATTACK=all $(BIN)/python -m pytest -n 0 --timeout 1200 tests/attack tests/service/test_who_may.py

messages: $(STAMP) ## bring the catalogues up to date with the templates; then translate what is empty
	@$(BIN)/pybabel -q extract -F babel.cfg --no-location --project Sluice --version 1 --msgid-bugs-address "" --last-translator "" -o .sluice.pot .
	@$(BIN)/pybabel -q update -D sluice -d shared/notifications/templates/locales -i .sluice.pot --no-fuzzy-matching --ignore-obsolete -w 120
	@rm .sluice.pot

test-clients: $(STAMP) $(CLIENTS_STAMP) ## clients made from the OpenAPI document, in TypeScript and Python: they compile and run
	@CLIENT_GENERATORS=$(CURDIR)/$(CLIENTS_VENV)/bin $(BIN)/python -m pytest -n 0 --timeout 600 tests/clients/generated_clients.py

test-operations: $(STAMP) ## retention over 10,000 records, killed five times; a year of schedules, a killed scheduler
	@RETENTION_RECORDS=10000 RETENTION_KILLS=5 SCHEDULE_DAYS=364 SCHEDULER_KILLS=3 $(BIN)/python -m pytest \
		--timeout 3600 tests/storage/test_sweepers.py tests/app/test_cron.py tests/service/test_schedules.py

verify-audit: $(STAMP) ## is the audit log what was written into it? (AzureWebJobsStorage=..., AUDIT_RETENTION_DAYS=...)
	@$(BIN)/python -m shared.audit.verify $(if $(UNCHAINED_UNTIL),--unchained-until $(UNCHAINED_UNTIL))

check: $(STAMP) ## formatting, lint, types, who may import whom, and the words of the documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m doc_tools.words

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## requirements*.txt from requirements*.in, with hashes; LOCK="--upgrade" for newer versions of what is not pinned there
	@test -x $(LOCK_VENV)/bin/uv || $(PYTHON) -m venv $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	@set -e; before=; for name in requirements requirements-azure-monitor requirements-dev requirements-bench requirements-audit requirements-docs requirements-clients; do \
		$(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --annotation-style line \
			--custom-compile-command "make lock (edit $$name.in)" $(LOCK) $$before -o $$name.txt $$name.in; \
		before="-c $$name.txt"; done

reference: $(STAMP) ## generate docs/reference from the code: API, settings, errors, metrics, column types
	@$(BIN)/python -m doc_tools.reference

docs: $(STAMP) $(DOCS_STAMP) reference ## build the documentation site in .sluice/site
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict

sbom: $(STAMP) ## what is shipped, with what is inside the wheels, as CycloneDX JSON (SBOM=... for the file)
	@$(BIN)/python -m supply_chain.sbom $${SBOM:-sluice.cdx.json}

audit: $(AUDIT_STAMP) ## known vulnerabilities of what is shipped, from PyPI's service (AUDIT="--format=json" and others of pip-audit)
	@$(AUDIT_VENV)/bin/pip-audit --require-hashes --disable-pip -r requirements.txt $(AUDIT)

bench: $(STAMP) $(BENCH_STAMP) ## the figures of docs/reference/performance.md; SUITE=service for one of them
	@$(BENCH_VENV)/bin/python -m bench $(SUITE)

clean: ## the environment, what was installed, and all state
	rm -rf $(VENV) $(BENCH_VENV) $(AUDIT_VENV) $(DOCS_VENV) $(CLIENTS_VENV) tests/clients/node_modules $(LOCK_VENV) sluice.cdx.json .sluice demo/azurite/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis

$(STAMP): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Sluice needs Python 3.11 or newer; this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned requirements into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(BENCH_STAMP): requirements-bench.txt
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@echo "installing the peers into $(BENCH_VENV) ..."
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

$(CLIENTS_STAMP): requirements-clients.txt
	@test -x $(CLIENTS_VENV)/bin/python || $(PYTHON) -m venv $(CLIENTS_VENV)
	@echo "installing the generators of clients into $(CLIENTS_VENV) ..."
	@$(CLIENTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-clients.txt
	@touch $@

$(AUDIT_STAMP): requirements-audit.txt
	@test -x $(AUDIT_VENV)/bin/python || $(PYTHON) -m venv $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

$(DOCS_STAMP): requirements-docs.txt
	@test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@
