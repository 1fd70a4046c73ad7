# Everything a developer or a newcomer needs. Each command makes what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format bench faults workbench picture clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## Train a small language model, draw its curve, let it write (a minute)
	$(BIN)/craft run experiments.toml small
	@echo
	$(BIN)/craft generate small@latest --prompt 'def '

test: $(INSTALLED) ## Run the tests (minutes)
	$(BIN)/pytest -n 2 --dist worksteal

test-slow: $(INSTALLED) ## Run the long tests as well: twenty kills, every fault
	$(BIN)/pytest -m 'slow or not slow' --timeout 1800

check: $(INSTALLED) ## Lint, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Put the source into one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

faults: $(INSTALLED) ## Kill, cut, fill and forge everything, and write docs/reliability.md (an hour)
	$(BIN)/python -m benchmarks.faults

bench: $(INSTALLED) ## Measure what docs/measurements.md states
	$(BIN)/python -m benchmarks

workbench: $(INSTALLED) ## Open the workbench on experiments.toml
	$(BIN)/craft-workbench experiments.toml

picture: $(INSTALLED) ## Train a few small runs and draw the workbench's screens with them, for the documents
	$(BIN)/python -m workbench.picture docs/pictures

clean: ## Remove the virtual environment and caches; runs and data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
