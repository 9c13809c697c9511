# Every command sets itself up on a fresh machine with python3 (3.11 or newer), make and a package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test test-library test-experiments check prove bench bench-quick reference screenshots format clean
help:
	@echo "make demo         900 fireflies fall into step, in about a minute"
	@echo "make test         the whole test suite"
	@echo "make check        formatting, lint and types"
	@echo "make reference    writes docs/reference from the docstrings"
	@echo "make screenshots  draws the pages in docs/browser.md anew (needs Chromium)"
	@echo "make prove        the proofs that take long: large sizes, and each kept mutant is noticed by a test"
	@echo "make bench        the benchmarks, with peers: writes benchmarks/results.md and a figure"
	@echo "make bench-quick  the benchmarks in their short form, which fails at twice a budget"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Cascade needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python -m observatory.experiments.run_fireflies --agents 900 --period 2 --nudge 0.1 --duration 60 --seed 0 --visualize

# In two halves side by side, as most machines have two cores; each half is shown when it has ended.
EXPERIMENTS := tests/observatory tests/e2e
test: $(READY)
	@echo "two halves, a few minutes:"
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target test-library test-experiments

test-library: $(READY)
	$(BIN)/python -m pytest $(EXPERIMENTS:%=--ignore=%)

test-experiments: $(READY)
	$(BIN)/python -m pytest $(EXPERIMENTS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks examples prove docs/make_reference docs/make_screenshots.py docs/make_watch_picture.py docs/figures

prove: $(READY)
	$(BIN)/python -m prove

reference: $(READY)
	@$(BIN)/python -m docs.make_reference

screenshots: $(READY)
	$(BIN)/python -m docs.make_screenshots

PEERS := .venv/.peers
$(PEERS): $(READY)
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --editable ".[dev,peers]"
	@touch $(PEERS)

bench: $(PEERS)
	$(BIN)/python -m benchmarks --results benchmarks

bench-quick: $(READY)
	$(BIN)/python -m benchmarks --quick

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
