# The first two commands: `make demo` and `make test`. Each installs what it needs, and only that, once.
PYTHON ?= python3
BIN := .venv/bin
# One process of tests per core, each of one thread: two threads of one process wait for each other.
# They keep bytecode, whatever the environment says: to rewrite every assertion takes 14 s each time.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
	--numprocesses auto --maxprocesses 8
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Stamps: the package alone, what notebooks need, what tests and the linter need, what the site needs.
BASE := .venv/.base
NOTEBOOKS := .venv/.notebooks
DEVELOP := .venv/.develop
DOCS := .venv/.docs

DEVICE ?= cuda

.PHONY: demo test test-all reliability gpu figures lint notebooks docs

demo: $(BASE)
	$(BIN)/stripe demo

# The fast part: does this installation work, and did a change break something?
test: $(DEVELOP)
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) -m slow --dist worksteal --durations 20

# Kills, races, refusing disks and damaged files, in full counts: about an hour on two cores.
reliability: $(DEVELOP)
	$(BIN)/python -m pytest -s tests/reliability tests/train/test_resume.py --full

# What needs a GPU, in 40 minutes and slices of at most nine: tests, timings, tables and figures. Call
# it again for what is left. `make gpu DEVICE=cpu REHEARSE=1` runs the smallest size of every slice.
# Options: TOTAL_MINUTES, MINUTES (of a slice), SLICES (of this call) and DATA_ROOT.
gpu: $(DEVELOP)
	$(BIN)/python -m benchmarks.gpu --device $(DEVICE) $(if $(REHEARSE),--rehearse) \
		$(if $(TOTAL_MINUTES),--total-minutes $(TOTAL_MINUTES)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SLICES),--slices $(SLICES)) $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

figures: $(BASE)
	$(BIN)/stripe gallery

lint: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(NOTEBOOKS)
	$(BIN)/jupyter lab notebooks

# The site, for a browser: docs/_build/index.html. Warnings are errors.
docs: $(DOCS)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -E -W --keep-going -q docs docs/_build

# Only a change of the two files that say what to install installs again.
$(BASE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stripe needs Python 3.11 or later, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	@echo "Installing into .venv (6.2 GB with torch for CUDA, several minutes, only this once) ..."
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

$(NOTEBOOKS): $(BASE)
	$(PIP) --editable '.[jupyter,style]'
	@touch $@

# A dependency group needs pip 25.1 or later.
$(DEVELOP): $(BASE)
	@echo "Installing what tests need (1.5 GB more, only this once) ..."
	$(PIP) 'pip>=25.1'
	$(PIP) --editable '.[jupyter,ray]' --group dev
	@touch $@

$(DOCS): $(DEVELOP)
	$(PIP) --group docs
	@touch $@
