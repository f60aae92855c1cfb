# `make demo` and `make test` each set up all they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUNNABLE := .venv/.runnable
TESTABLE := .venv/.testable
DOCUMENTABLE := .venv/.documentable

# Processes that tests start would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz crash lint format schema bench docs clean

help:  ## list these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(RUNNABLE): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(TESTABLE): $(RUNNABLE)
	$(PIP) --editable '.[dev]'
	@touch $@

$(DOCUMENTABLE): $(RUNNABLE)
	$(PIP) --editable '.[docs]'
	@touch $@

demo: $(RUNNABLE)  ## evaluate the embedded encoder on the embedded collection
	$(BIN)/babelrank submit use-multilingual-v3 --collection sample --out build/demo

# Files of tests side by side, each process with one thread: threads of several would wait for one another.
# In their own order: files with few tests are often slow ones, and would come last if xdist sorted them.
test: $(TESTABLE)  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# 20,000 mutations of each kind of file take hours; BABELRANK_FUZZ_SEED=1 tries others.
fuzz: $(TESTABLE)  ## try 20,000 damaged inputs of each kind
	OMP_NUM_THREADS=1 BABELRANK_FUZZ=20000 $(BIN)/pytest -s tests/fuzz --numprocesses auto --maxprocesses 4

crash: $(TESTABLE)  ## kill each command at 20 points, fill the disk at 20
	OMP_NUM_THREADS=1 BABELRANK_KILLS=20 $(BIN)/pytest tests/crash --numprocesses auto --maxprocesses 4

lint: $(TESTABLE)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TESTABLE)  ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(RUNNABLE)  ## write the JSON Schema of results.json again
	$(BIN)/python -m babelrank.reporting.results_file > benchmark/babelrank/reporting/results.schema.json

bench: $(TESTABLE)  ## measure speed, as ratios in one run
	$(BIN)/python -m bench

# Strict: a broken link or an unknown name fails. Notebooks are executed.
docs: $(DOCUMENTABLE)  ## build the documentation in build/docs
	$(BIN)/mkdocs build

clean:  ## delete what make made
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
