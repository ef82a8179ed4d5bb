# `make test` from a clean clone needs make and Python 3.11 with venv, and the Python package index.
PYTHON3 ?= $(shell command -v python3.11)
VENV := .venv
PYTHON := $(VENV)/bin/python
TOMOSCORE := $(VENV)/bin/tomoscore
INSTALLED := $(VENV)/.installed

.PHONY: help venv demo demo-real test test-slow lint benchmark-speed

help:
	@echo 'make venv             environment with engine and tools in $(VENV)'
	@echo 'make demo             simulate three tomograms of different quality and score them'
	@echo 'make demo-real        reconstruct a real tilt series and score it (downloads 67 MB)'
	@echo 'make test             lint, types, tests and coverage of the engine'
	@echo 'make test-slow        the tests that take minutes'
	@echo 'make lint             format, lint and types only'
	@echo 'make benchmark-speed  seconds and memory per tomogram, beside other tools'

venv: $(INSTALLED)

$(INSTALLED): setup.py constraints.txt
ifeq ($(strip $(PYTHON3)),)
	$(error No python3.11 on the PATH: install it (Debian 12: apt-get install python3 python3-venv) \
	or name another one: make PYTHON3=/path/to/python3)
endif
	$(PYTHON3) -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --requirement constraints.txt
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: venv
	$(PYTHON) -m tomoscore_scipion.simulation.demo demo
	$(TOMOSCORE) score demo/*.mrc --output demo/results.jsonl --csv demo/scores.csv

demo-real: venv
	mkdir -p demo-real
	$(PYTHON) scripts/demo_real.py demo-real

lint: venv
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint
	$(PYTHON) -m pytest -m 'not slow' --cov=tomoscore_scipion.engine --cov-report=term-missing \
		--cov-fail-under=90

# pytest's exit status 5 says that no test is marked slow.
test-slow: venv
	@$(PYTHON) -m pytest -m slow --collect-only --quiet >/dev/null; status=$$?; \
	if [ $$status -eq 5 ]; then echo 'No test is marked slow.'; else \
	$(PYTHON) -m pytest -m slow; fi

benchmark-speed: venv
	$(PYTHON) benchmarks/speed.py
