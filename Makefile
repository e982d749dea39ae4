# Two commands matter: `make run` brings up a desk, `make test` proves it.
#   make run                       built-in exchange simulator, generated market, one hour every 5 seconds
#   make run CANDLES=DIR           the simulator serves real candles from files (Parquet or CSV)
#   make run VENUE=binance         real public market data, paper trading, no key needed (or bybit, okx…)
#   make run ARGS="--once"         anything else that `sereno up --help` lists

PYTHON ?= python3
VENV   ?= .venv
PIP    ?= $(VENV)/bin/python -m pip
VENUE  ?=
CANDLES ?=
ARGS   ?=
PYTEST_ARGS ?= -n 2 --dist loadfile
# Where a plain `pip install torch` would fetch gigabytes, name an index of CPU builds here.
TORCH_INDEX ?=

UP_ARGS := $(if $(VENUE),$(if $(CANDLES),,--mode paper) --venue $(VENUE)) $(if $(CANDLES),--candles $(CANDLES)) $(ARGS)

.PHONY: venv venv-dev venv-lstm run test test-slow check lint docs bench clean help

help:
	@sed -n '1,5p' Makefile; echo "#   targets: venv venv-dev run test test-slow check lint docs bench clean"

venv: $(VENV)/.ready
venv-dev: $(VENV)/.ready-dev

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Sereno needs Python 3.11 to 3.13; name one with make PYTHON=…"'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --disable-pip-version-check -c constraints.txt -e '.[postgres]'
	$(VENV)/bin/python -m compileall -q src
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --disable-pip-version-check -c constraints.txt -e '.[dev,postgres]'
	$(VENV)/bin/python -m compileall -q src
	touch $@ $(VENV)/.ready

venv-lstm: venv
	$(PIP) install -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e '.[lstm]'

run: venv
	@$(VENV)/bin/sereno up $(UP_ARGS)

test: venv-dev
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS) -m "not slow"

test-slow: venv-dev
	$(VENV)/bin/python -m pytest -m slow

lint: venv-dev
	$(VENV)/bin/ruff format --check src tests benchmarks
	$(VENV)/bin/ruff check src tests benchmarks
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/sereno docs check

check: lint test

docs: venv
	$(VENV)/bin/sereno docs write

bench: venv-dev
	$(VENV)/bin/python benchmarks/run_all.py --write

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
