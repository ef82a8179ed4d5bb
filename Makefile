# `make test` in a clean clone needs make, Python 3.11 with venv, and the Python package index.
PYTHON3 ?= $(shell command -v python3.11)
VENV := .venv
PYTHON := $(VENV)/bin/python
TOMOSCORE := $(VENV)/bin/tomoscore
INSTALLED := $(VENV)/.installed
# Scipion pins other package versions: a separate environment with Scipion and the engine.
SCIPION_VENV := .venv-scipion
SCIPION_PYTHON := $(SCIPION_VENV)/bin/python
SCIPION_INSTALLED := $(SCIPION_VENV)/.installed

# Most Scipion installations use Python 3.8, on which the engine does not run. The tests there run
# the engine of $(VENV) in another process. A pyenv shim fails if its version is not selected:
# the versions installed by pyenv are searched as well.
SCIPION38_VENV := .venv-scipion38
SCIPION38_PYTHON := $(SCIPION38_VENV)/bin/python
SCIPION38_INSTALLED := $(SCIPION38_VENV)/.installed
PYTHON38 ?= $(firstword $(shell python3.8 -c 'import sys; print(sys.executable)' 2>/dev/null) \
	$(wildcard $(HOME)/.pyenv/versions/3.8.*/bin/python3.8))

NAPARI_VENV := .venv-napari

# Fast tests: several files at the same time, each in one process.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help venv venv-scipion venv-scipion38 demo demo-open demo-real test test-scipion \
	test-scipion-slow test-scipion38 test-napari test-slow lint faults night night-watch docs manual \
	benchmark-speed benchmark-truth benchmark-batches

help:
	@echo 'make venv             environment with the engine and development tools in $(VENV)'
	@echo 'make venv-scipion     environment with Scipion and the engine in $(SCIPION_VENV)'
	@echo 'make demo             Scipion project with simulated tomograms: import, score, filter'
	@echo 'make demo-open        open the demo project in Scipion'
	@echo 'make demo-real        reconstruct and score a real tilt series (downloads 67 MB)'
	@echo 'make test             format, lint, types, tests and coverage of the engine'
	@echo 'make test-scipion     tests in Scipion projects'
	@echo 'make test-slow        slow tests (minutes), also in Scipion and on Python 3.8'
	@echo 'make test-napari      tests of the napari plugin, in an environment with napari'
	@echo 'make faults           run the tests listed in docs/faults.rst'
	@echo 'make night            endurance test in Scipion: 1,000 streamed tomograms, faults (35 minutes)'
	@echo 'make night-watch      endurance test of tomoscore watch: 1,000 files, faults (20 minutes)'
	@echo 'make docs             build the documentation with Sphinx in docs/_build/html'
	@echo 'make manual           build the help pages of the Scipion protocols from docs/*.rst'
	@echo 'make lint             check format, lint and types only'
	@echo 'make benchmark-speed  time and memory per tomogram, compared with other tools'
	@echo 'make benchmark-truth  TomoScore and other metrics, compared with the ground truth'
	@echo 'make benchmark-batches  run time of 1 to 8 workers, compared with the ideal; threads or workers'

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

venv-scipion38: $(SCIPION38_INSTALLED)

$(SCIPION38_INSTALLED): setup.py constraints-scipion38.txt
ifeq ($(strip $(PYTHON38)),)
	$(error No Python 3.8 found: install it (pyenv install 3.8) \
	or name one: make PYTHON38=/path/to/python3.8)
endif
	$(PYTHON38) -m venv --clear $(SCIPION38_VENV)
	$(SCIPION38_PYTHON) -m pip install --quiet --requirement constraints-scipion38.txt
	$(SCIPION38_PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
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
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest $(PARALLEL) -m 'not slow' \
		--cov=tomoscore_scipion --cov-report=term-missing --cov-fail-under=90

test-scipion: venv-scipion
	$(SCIPION_PYTHON) -m pytest $(PARALLEL) tests/scipion -m 'not slow'

test-scipion-slow: venv-scipion
	$(SCIPION_PYTHON) -m pytest tests/scipion -m slow

test-scipion38: venv venv-scipion38
	TOMOSCORE_TEST_ACTIVATION='. "$(CURDIR)/$(VENV)/bin/activate"' $(SCIPION38_PYTHON) -m pytest \
		$(PARALLEL) $(addprefix tests/scipion/test_,closed_input.py compare_protocol.py dose.py \
		dose_import.py dose_parts.py form.py real_engine.py threshold_protocol.py wizard.py)

test-slow: venv test-scipion-slow test-scipion38
	$(PYTHON) -m pytest -m slow

# napari is large and needs Qt: a separate environment for its tests, without PyTorch.
$(NAPARI_VENV)/.installed: setup.py
	$(PYTHON3) -m venv --clear $(NAPARI_VENV)
	$(NAPARI_VENV)/bin/python -m pip install --quiet 'napari>=0.5' PyQt6 matplotlib mrcfile pytest
	$(NAPARI_VENV)/bin/python -m pip install --quiet --no-deps .
	touch $@

test-napari: $(NAPARI_VENV)/.installed
	QT_QPA_PLATFORM=offscreen $(NAPARI_VENV)/bin/python -m pytest tests/napari_plugin

faults: venv venv-scipion
	$(PYTHON) scripts/faults.py $(PYTHON) $(SCIPION_PYTHON)

night: venv-scipion
	$(SCIPION_PYTHON) scripts/night.py

night-watch: venv
	$(PYTHON) scripts/session_night.py

docs: venv
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

manual: venv
	$(PYTHON) scripts/manual.py

benchmark-speed: venv
	$(PYTHON) benchmarks/speed.py

benchmark-truth: venv
	$(TOMOSCORE) benchmark
	$(PYTHON) benchmarks/truth.py

benchmark-batches: venv-scipion
	$(SCIPION_PYTHON) benchmarks/batches.py
	$(SCIPION_PYTHON) benchmarks/batches.py --engine
