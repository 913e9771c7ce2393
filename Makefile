# The only menu. `make demo` and `make test` need Linux, make and Python 3.11 to 3.14: they install
# what uv.lock names into .venv once and use no network after that.

# The first interpreter that the lock file has wheels for and that can make an environment.
PYTHON ?= $(shell for candidate in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
		>/dev/null 2>&1 && echo $$candidate && break; done)
SYSTEM := $(shell uname -s)
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.synced
# An environment that happens to be active must not be taken for ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
# Images of containers set it; every process would then compile all it imports anew, which is most
# of what an extender takes to start, of which the tests start many.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint format toolchain bench docs clean environment training-libraries
.DELETE_ON_ERROR:

##@ Use it
demo: $(READY) ## Real traffic on simulated servers under five policies, in watts
	@$(BIN)/negawatt demo

##@ Change it
# One process more than there are processors, since many tests wait for a server; `make test
# PROCESSES=0` runs all in one.
PROCESSES ?= $(shell expr $$(nproc) + 1)
test: $(READY) ## All tests, with the real components that are there
	@$(BIN)/pytest -n $(PROCESSES) --dist loadfile

# A fifth slower, and nothing depends on it.
coverage: $(READY) ## All tests, and which lines they reach, into htmlcov/
	@$(BIN)/pytest -n $(PROCESSES) --dist loadfile --cov --cov-report=term --cov-report=html

lint: $(READY) ## Style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The others are parts of these, or (scheduler_energy.py) take hours and want openb's pods.
BENCHES := $(wildcard bench/*_rate.py) bench/extender_latency.py bench/extender_memory.py \
	bench/scheduler_throughput.py

bench: $(READY) ## Measurements, printed as tables (long; some need the toolchain)
	@for script in $(BENCHES); do \
		echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

# openb's pod list does not travel with the repository (no licence is visible).
PODS ?= ../shared/data/alibaba-openb-2023/openb_pod_list_default.csv
# Each page names the commit it comes from; writing the first in place would change the tree of the
# second, hence the copy at the end.
GENERATED := out/docs
GROUND_POLICIES := default,most-allocated,efficiency-order,random,round-robin,fill-cost,marginal,marginal-idle,bound
STANDARD_POLICIES := default,most-allocated,efficiency-order,random,round-robin,fill-cost,marginal,marginal-idle,envelope,bid-price,booking-limit,negawatt,bound

docs: $(READY) ## The generated pages of docs/reference (an hour)
	rm -rf $(GENERATED)
	$(BIN)/negawatt energy report --into $(GENERATED)
	$(BIN)/python -m extender.reference $(GENERATED)
	$(BIN)/python -m telemetry.bridge.reference $(GENERATED)
	$(BIN)/python -m telemetry.reference $(GENERATED)
	$(BIN)/python -m forecaster.reference $(GENERATED)
	$(BIN)/negawatt simulate place --suite ground --policy $(GROUND_POLICIES) --seed 1,2,3,4,5 \
		--output markdown --file $(GENERATED)/placement-suite.md
	for fleet in 20/30/10 20/20/20; do \
		$(BIN)/negawatt simulate place --scenario standard --fleet $$fleet --pods $(PODS) \
			--policy $(STANDARD_POLICIES) \
			--seed 1,2,3 --output markdown --file $(GENERATED)/placement-standard-$$(echo $$fleet | tr / -).md \
			|| exit 1; \
	done
	$(BIN)/negawatt simulate place --suite rank --pods $(PODS) --seed 1,2,3,4,5 \
		--output markdown --file $(GENERATED)/placement-rank.md
	cp $(GENERATED)/* docs/reference/

##@ Install and remove
toolchain: ## Kubernetes, KWOK, Helm, Kafka and JMeter into ~/.cache/negawatt (first time 10 to 15 minutes)
	@$(call need_python)
	@cd deploy/local && $(PYTHON) -m toolchain

environment: $(READY) ## What uv.lock names, into .venv

training-libraries: $(READY) ## TensorFlow and Optuna besides: to train the forecaster, half a gigabyte
	@$(BIN)/uv sync --frozen --inexact --all-extras

clean: ## Remove what these commands made in this folder (.venv too)
	rm -rf .venv .coverage htmlcov out build dist .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The lock file and pyproject.toml say what is installed; the rule runs when one of them changes.
$(READY): uv.lock pyproject.toml
	@$(call need_python)
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "Installing what uv.lock names into .venv (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --frozen --inexact --all-extras --no-extra forecaster-training
	@touch $@

define need_python
if [ "$(SYSTEM)" != Linux ]; then \
	echo "make: this is $(SYSTEM); uv.lock names wheels for Linux alone, so use a Linux machine or container" >&2; \
	exit 1; \
elif [ -z "$(PYTHON)" ]; then \
	echo "make: no Python 3.11 to 3.14 with its venv module on PATH;" \
		"on Debian 12: apt-get install python3-venv (or name one: make PYTHON=/path/to/python3)" >&2; \
	exit 1; \
elif ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then \
	echo "make: $(PYTHON) is not Python 3.11 to 3.14; name another: make PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi
endef
