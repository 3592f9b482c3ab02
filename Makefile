# The first two commands: `make demo` and `make test`. Each installs what it needs, once.
PYTHON ?= python3
BIN := .venv/bin
# One process of tests per core, each of one thread: two threads of one process wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8
INSTALLED := .venv/.installed

DEVICE ?= cuda

.PHONY: demo test test-all reliability gpu figures lint notebooks docs

demo: $(INSTALLED)
	$(BIN)/stripe demo

# The fast part: does this installation work, and did a change break something?
test: $(INSTALLED)
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) -m slow --durations 20

# Kills, races, refusing disks and damaged files, in full counts: about an hour on two cores.
reliability: $(INSTALLED)
	$(BIN)/python -m pytest -s tests/reliability --full

# What needs a GPU, in slices of at most nine minutes: tests, timings, tables and figures. Call it
# again for what is left. `make gpu DEVICE=cpu REHEARSE=1` runs the smallest size of every slice.
gpu: $(INSTALLED)
	$(BIN)/python -m benchmarks.gpu --device $(DEVICE) $(if $(REHEARSE),--rehearse)

figures: $(INSTALLED)
	$(BIN)/stripe gallery

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

# The site, for a browser: docs/_build/index.html. Warnings are errors.
docs: .venv/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -E -W --keep-going -q docs docs/_build

.venv/.docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

# Only a change of the two files that say what to install installs again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stripe needs Python 3.11 or later, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	@echo "Installing into .venv (about 7 GB, two to three minutes, only this once) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[jupyter,ray,dev]'
	@touch $@
