# What people type. Each target sets up what it needs the first time and is quick after that.

WORLD ?=
PORT ?= 8710
ARGS ?=
JOBS ?= 2
BIN := .venv/bin
export PYTHON

.PHONY: help play test check format clean
.DEFAULT_GOAL := help

help: ## List what make can do
	@echo "Dreamcade. Variables: WORLD=$(or $(WORLD),all) PORT=$(PORT) PYTHON=… ARGS='more options of the command'"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

play: .venv/.ready-play ## Play in the browser; WORLD=name for one world only
	@$(BIN)/dreamcade play $(WORLD) --port $(PORT) $(ARGS) || [ $$? -eq 130 ]

check: .venv/.ready-dev ## Lint, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

test: .venv/.ready-dev ## Run the tests, two at a time; JOBS=0 one after the other
	@$(BIN)/pytest --numprocesses $(JOBS) --dist loadgroup --no-loadscope-reorder $(ARGS)

format: .venv/.ready-dev ## Format the code, fix what the linter can fix
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

clean: ## Remove the virtual environment and the tools' caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.ready-%: pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh $*
	@touch $@
