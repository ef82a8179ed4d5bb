# `make test` from a clean clone needs make and Python 3.11 with venv, and the Python package index.
PYTHON3 ?= $(shell command -v python3.11)
VENV := .venv
PYTHON := $(VENV)/bin/python
TOMOSCORE := $(VENV)/bin/tomoscore
INSTALLED := $(VENV)/.installed
# Scipion pins other versions, so that it has an environment of its own, with the engine beside it.
SCIPION_VENV := .venv-scipion
SCIPION_PYTHON := $(SCIPION_VENV)/bin/python
SCIPION_INSTALLED := $(SCIPION_VENV)/.installed

.PHONY: help venv venv-scipion demo demo-open demo-real test test-scipion test-slow lint \
	faults benchmark-speed

help:
	@echo 'make venv             environment with engine and tools in $(VENV)'
	@echo 'make venv-scipion     environment with Scipion and the engine in $(SCIPION_VENV)'
	@echo 'make demo             a Scipion project: simulated tomograms, imported, scored, filtered'
	@echo 'make demo-open        show that project in the window of Scipion'
	@echo 'make demo-real        reconstruct a real tilt series and score it (downloads 67 MB)'
	@echo 'make test             lint, types, tests and coverage of the engine'
	@echo 'make test-scipion     the tests that run in a Scipion project'
	@echo 'make test-slow        the tests that take minutes'
	@echo 'make faults           try every row of docs/faults.rst, and count'
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

venv-scipion: $(SCIPION_INSTALLED)

$(SCIPION_INSTALLED): setup.py constraints-scipion.txt
ifeq ($(strip $(PYTHON3)),)
	$(error No python3.11 on the PATH: install it (Debian 12: apt-get install python3 python3-venv \
	python3-tk) or name another one: make PYTHON3=/path/to/python3)
endif
	$(PYTHON3) -m venv --clear $(SCIPION_VENV)
	$(SCIPION_PYTHON) -m pip install --quiet --requirement constraints-scipion.txt
	$(SCIPION_PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: venv-scipion
	$(SCIPION_PYTHON) scripts/demo_scipion.py demo

demo-open: venv-scipion
	$(SCIPION_PYTHON) scripts/demo_scipion.py demo --open

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

test-scipion: venv-scipion
	$(SCIPION_PYTHON) -m pytest tests/scipion tests/test_plugin.py

# pytest's exit status 5 says that no test is marked slow.
test-slow: venv
	@$(PYTHON) -m pytest -m slow --collect-only --quiet >/dev/null; status=$$?; \
	if [ $$status -eq 5 ]; then echo 'No test is marked slow.'; else \
	$(PYTHON) -m pytest -m slow; fi

faults: venv venv-scipion
	$(PYTHON) scripts/faults.py $(PYTHON) $(SCIPION_PYTHON)

benchmark-speed: venv
	$(PYTHON) benchmarks/speed.py
