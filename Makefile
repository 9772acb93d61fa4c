# Sets up and runs everything: `make help`. Needs Python 3.11 or newer; uses uv when it is there, venv and pip otherwise.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
PLUGINS := $(sort $(dir $(wildcard plugins/*/pyproject.toml)))
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
EDITABLE := -e . $(patsubst %,-e %,$(PLUGINS))
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

# uv takes the Python that is there; it does not fetch one.
export UV_PYTHON_DOWNLOADS := never
# Bytecode is made once, as pip does, and not by every process anew where Python may not write it.
export UV_COMPILE_BYTECODE := 1

ifeq ($(UV),)
MAKE_VENV := $(PYTHON) -m venv .venv
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
else
MAKE_VENV := $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-run programs nodered pictures demo test gate check bench bench-full lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup-run ## Set up everything and run a simulated house live with its pages, until Ctrl-C
	@$(MAKE) --no-print-directory nodered || echo "Node-RED could not be installed: the demo goes on without its pages."
	$(BIN)/pems demo

# Half of the time tests wait for servers, so there are more workers than most machines here have cores.
test: setup programs nodered/node_modules/.installed-for-development check ## Set up everything, check the code and run all tests
	$(BIN)/python -m pytest -m "not gate" -n 4 --dist loadfile --no-loadscope-reorder -rR

gate: setup programs nodered/node_modules/.installed-for-development ## Play the release gate: whole houses through days, nights and outages; some quarter of an hour
	$(BIN)/python -m pytest -m gate

nodered: setup-run nodered/node_modules/.installed ## Install Node-RED and what its flows need; no Node.js is needed beforehand

nodered/node_modules/.installed: nodered/package-lock.json nodered/.npmrc
	@echo "Installing Node-RED; this takes a minute or two."
	@$(BIN)/python -m pems_core.nodered
	@touch $@

nodered/node_modules/.installed-for-development: nodered/package-lock.json nodered/.npmrc
	@echo "Installing Node-RED and what its tests need; this takes a minute or two."
	@$(BIN)/python -m pems_core.nodered --development
	@touch nodered/node_modules/.installed $@

check: setup ## Formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## Short selection of the benchmarks, below ten minutes
	$(BIN)/python -m benchmarks short

bench-full: setup ## All benchmarks
	$(BIN)/python -m benchmarks full

setup: .venv/.set-up-for-development ## Virtual environment with everything for work on PEMS

setup-run: .venv/.set-up ## Virtual environment with what PEMS needs to run

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; name another with make PYTHON=...")'
	$(MAKE_VENV)
	@touch $@

.venv/.set-up: .venv/.created requirements/run.txt $(PROJECTS)
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation $(EDITABLE)
	@$(BIN)/python -m compileall -q pems_core plugins
	@touch $@

.venv/.set-up-for-development: .venv/.set-up requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

programs: # that tests run for real: the second solver, a broker, databases and a browser
	@missing=""; for pair in cbc:coinor-cbc mosquitto:mosquitto influxd:influxdb victoria-metrics:victoria-metrics chromium:chromium; do \
		PATH="$$PATH:/usr/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian packages:$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && exit 0; \
	fi; \
	echo "Not installed:$$missing; get them with: sudo apt-get install$$missing. Their tests are skipped."

pictures: setup programs nodered/node_modules/.installed-for-development ## Take the pictures of the pages in docs/images/pages anew; some five minutes
	$(BIN)/python -m tests.pages.pictures

lock: ## Pin what is needed in requirements/, with hashes and without addresses (needs uv)
	@command -v "$(UV)" >/dev/null || { echo "uv is needed to lock; get it with: pip install uv"; exit 1; }
	$(UV) pip compile $(LOCK) pyproject.toml --group build --output-file requirements/run.txt
	$(UV) pip compile $(LOCK) pyproject.toml --group dev --constraint requirements/run.txt --output-file requirements/dev.txt
	@! grep -nE '[a-z]+://|--(find-links|index|extra-index)' requirements/*.txt || { echo "an address got into the lock"; exit 1; }


clean: ## Remove the virtual environment, Node-RED's packages and all caches
	rm -rf .venv nodered/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
