# What there is to do with the project. Plain Python 3.11+ with pip and venv is enough; nothing else needs to be installed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS   ?=
# How many tests run at once: two cores are busy with three, since many of them wait for a server or a browser.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help run test check bench proofs clean lock docs thunderbird conformance

help:
	@echo "make run    the demo town on this machine (ARGS=\"--site-port 8080\" for options of termin serve)"
	@echo "make test   all tests (ARGS=\"tests/config -k port\" for some of them, WORKERS=1 for one at a time)"
	@echo "make check  style, types, translations, documentation"
	@echo "make bench  benchmarks, into benchmarks/results/"
	@echo "make conformance  python-caldav's tests and caldav-server-tester against the calendar server (fetches both)"
	@echo "make thunderbird  what clerks do in Thunderbird, in Thunderbird; screenshots into docs/screenshots/"
	@echo "make proofs races, and servers killed at random, on both databases (ARGS=\"chaos --seconds 600\" for one of them)"
	@echo "make docs   the reference in docs/configuration.md and docs/commands.md, from the code"
	@echo "make lock   resolve the lock files anew"
	@echo "make clean  remove the environment and everything that was generated, but no data"

run: $(VENV)/installed
	@$(BIN)/termin serve --demo $(ARGS)

test: $(VENV)/installed-dev
	@.ci/browser
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m config.reference --check
	@$(BIN)/python .ci/translations.py

bench: $(VENV)/installed-dev
	@mkdir -p benchmarks/results
	@$(BIN)/python .ci/bench.py $(ARGS)

conformance: $(VENV)/installed-dev
	@$(BIN)/python -m tests.conformance

thunderbird: $(VENV)/installed-dev
	@$(BIN)/python -m tests.clients.thunderbird docs/screenshots

proofs: $(VENV)/installed-dev
	@$(BIN)/python -m tests.proofs $(or $(ARGS),all)

docs: $(VENV)/installed-dev
	@$(BIN)/python -m config.reference

lock:
	@.ci/lock $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./.git/*" -prune -exec rm -rf {} +
	find booking_web -name "*.mo" -delete

# A stamp tells that the environment fits the lock file, so that a second "make run" starts at once.
$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing (once, about a minute) …"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what tests and checks need (once, about two minutes) …"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is needed (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
