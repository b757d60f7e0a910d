# Everything one does here, and each of it works in a fresh clone: Python 3.11+, git and make are all it needs.
#
#   make demo            set up, then run the examples on a real model; no key needed
#   make test            every test (under coverage where CI is set)
#   make one P=ember-core    the tests of one distribution; T="-k name" passes pytest options
#   make check           format, lint, types of all sources and tests, import contract, dependency graph
#   make isolated        each wheel in its own clean venv with nothing but what it declares, and its own tests;
#                        then a part of Ember, all of it, and a stranger's provider
#   make cov             the tests under coverage; a table per distribution, fails under 90 %
#   make matrix          the tests on every Python found of 3.11, 3.12, 3.13; says which were not found
#   make long            the proofs too slow for every run
#   make fuzz N=1000     random programs nobody has seen, under jit and plain; one that differs is shown, made small;
#                        at most S=200 seconds
#   make live            the conformance suite at the vendors whose key is set, for a cent each at most; never in CI
#   make wizard          what `ember setup` draws: types, tests, and that its bundle is what its sources make (Node 20 or
#                        newer); T=build makes the bundle anew
#   make bench           the benchmarks, beside their rivals; exits 1 where a gate is missed
#   make build           wheels and sdists of everything, in dist/
#   make release-check   metadata, wheel contents, and the API against each distribution's last tag
#   make notes P=ember-core   fold changes/*.md into CHANGELOG.md for a release; T=--draft shows it
#   make format          let ruff rewrite what it can
#   make lock            pin new requirements (tools/*.txt);  make upgrade moves all pins to the newest
#   make clean           forget every environment and build

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .tools/bin
HATCH := $(BIN)/hatch
DEFAULT := .hatch/default/bin/python
DESCRIPTIONS := $(wildcard packages/*/pyproject.toml) \
	$(wildcard packages/*/src/ember/*/_version.py packages/*/src/ember/*/*/_version.py)

# uv in this folder, and nothing newer than the pins, for everything that is installed or built.
export HATCH_ENV_TYPE_VIRTUAL_UV_PATH := $(CURDIR)/$(BIN)/uv
export HATCH_DATA_DIR := $(CURDIR)/.hatch/data
export UV_CONSTRAINT := $(CURDIR)/tools/constraints.txt
export UV_BUILD_CONSTRAINT := $(UV_CONSTRAINT)
# Whatever environment the caller has active is not ours. Without bytecode on disk, each of the hundreds of processes that
# the tests start would compile all it imports anew.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help setup demo test one check isolated cov matrix long fuzz live wizard bench build release-check notes format lock upgrade clean always

help:
	@sed -n 's/^#   //p' Makefile

setup: .hatch/default.ok

demo: .hatch/default.ok
	@$(DEFAULT) examples/demo.py

# One run serves both in CI: the same tests, measured.
test: .hatch/default.ok
	@$(HATCH) -q run $(if $(CI),cov,test) $(T)

one: .hatch/default.ok
	@test -f packages/$(P)/pyproject.toml || { echo "make one P=NAME, where NAME is one of: $(notdir $(wildcard packages/*))"; exit 2; }
	@$(HATCH) -q run test packages/$(P) $(T)

cov: .hatch/default.ok
	@$(HATCH) -q run cov $(T)

long: .hatch/default.ok
	@$(HATCH) -q run long $(T)

live: .hatch/default.ok
	@$(DEFAULT) tools/live.py $(T)

fuzz: .hatch/default.ok
	@$(DEFAULT) packages/ember-xcs/tests/fuzz.py $$(date +%s) $(or $(N),1000) $(or $(S),200)

# Not `npm ci`: it wants the lock to name the packages for every platform there is, which not every registry has.
wizard: .hatch/default.ok
	@cd packages/ember-cli/wizard && npm install --no-save --silent --no-audit --no-fund && npm run --silent check && \
		$(if $(filter build,$(T)),npm run --silent build,EMBER_PYTHON="$(abspath $(DEFAULT))" npm test --silent && npm run --silent build -- --check)

bench: .hatch/default.ok
	@status=0; for script in call_cost cache_hit throughput latency in_flight_memory import_cost command_cost batching stream stream_columns \
		critical_path jit_overhead jit_memory numeric_dispatch scheduling operator_cost; do \
		$(DEFAULT) benchmarks/$$script.py || status=1; done; exit $$status

check: .hatch/check.ok
	@failed=; for part in lint format graph layers types; do $(HATCH) -q run check:$$part || failed="$$failed $$part"; done; \
	test -z "$$failed" || { echo "make check: failed:$$failed"; exit 1; }; echo "make check: all well"

isolated: build
	@$(DEFAULT) tools/isolated.py $(BIN)/uv $(P)
	@$(if $(P),,$(DEFAULT) -m pytest -m wheels tests-integration $(T))

matrix: .tools/ok
	@$(BIN)/python tools/matrix.py $(HATCH) $(T)

build: .hatch/default.ok
	@$(DEFAULT) tools/build.py $(BIN)/uv

release-check: build .hatch/release.ok
	@$(HATCH) -q run release:verify

notes: .hatch/release.ok
	@$(HATCH) -q run release:notes $(P) $(T)

format: .hatch/check.ok
	@.hatch/check/bin/ruff check --fix
	@.hatch/check/bin/ruff format

lock upgrade: .tools/ok
	@$(BIN)/python tools/lock.py $(BIN)/uv $(if $(filter upgrade,$@),--upgrade)

clean:
	rm -rf packages/ember-cli/wizard/node_modules .tools .hatch dist build .coverage .coverage.* coverage.json .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find packages tools tests-integration examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.tools/ok: tools/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Ember needs Python 3.11 or newer, and none was found. Name one: make PYTHON=/path/to/python …"; exit 1; }
	@echo "Setting up uv and hatch in .tools …"
	@rm -rf .tools
	@$(PYTHON) -m venv .tools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint tools/bootstrap.txt uv
	@env -u UV_CONSTRAINT $(BIN)/uv pip install --quiet --python $(BIN)/python -r tools/bootstrap.txt
	@touch $@

# Hatch does not notice a changed entry point, version or pin of an editable distribution, nor one that is gone: an
# environment is made anew whenever a description changes.
.hatch/%.ok: .tools/ok hatch.toml tools/constraints.txt $(DESCRIPTIONS) .hatch/members
	@echo "Setting up .hatch/$* …"
	@rm -rf .hatch/$*
	@$(HATCH) env create $*
	@touch $@

# Its date changes only when a distribution comes or goes.
.hatch/members: always
	@mkdir -p .hatch
	@echo '$(sort $(DESCRIPTIONS))' | cmp -s - $@ || echo '$(sort $(DESCRIPTIONS))' > $@
