# `make` lists the targets. Everything is installed into .venv, once; a second call sets up nothing again.
PYTHON ?= python3
OUT ?= runs/search
OMP_NUM_THREADS = 1
export OMP_NUM_THREADS

BIN := .venv/bin
LESSONS := $(sort $(wildcard notebooks/*.ipynb))
QUICK := $(foreach n,00 02 03 10 12,$(wildcard notebooks/$(n)_*.ipynb))  # under 20 seconds each
BOTH := -n 2 --dist loadfile  # two processes, a file's tests in one of them
# Not handed out: solutions and the tests, which hold right answers; tests/grading and tests/nbval.cfg stay.
KEPT_BACK := ':(exclude)solutions' ':(exclude)docs/teaching.md' ':(exclude,glob)tests/*.py' \
  $(foreach folder,attacks browser mutants,':(exclude)tests/$(folder)')
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=600 --nbval-sanitize-with tests/nbval.cfg

.PHONY: help setup search test test-all lessons save lint lab exercises handout pins
help:
	@echo "make search    set up, then run the main job: from sound to a found model, in $(OUT)"
	@echo "make lab       set up, then open JupyterLab on notebooks/00_start.ipynb"
	@echo "make test      set up, then run the quick tests and the quick lessons"
	@echo "make lessons   run all lessons and compare what is the same on every machine"
	@echo "make save      run all lessons and save what they show"
	@echo "make test-all  the same with the slow tests"
	@echo "make exercises write exercises/ out of solutions/"
	@echo "make handout   write runs/handout.zip for a class: the course as committed, without solutions"
	@echo "make lint      check the style"
	@echo "make setup     only set up"
	@echo "make pins      write constraints.txt and environment.yml from what .venv holds"
	@echo "PYTHON=...     the Python to set up with, 3.11 or newer (now: $(PYTHON))"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old. Use Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
	  { echo "$(PYTHON) cannot make environments. Install its venv package, on Debian: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv: a few minutes the first time, about 6.5 GB."
	$(BIN)/python -m pip install --no-input --disable-pip-version-check --quiet -c constraints.txt -e '.[lab,dev]'
	-@$(BIN)/jupyter labextension disable --level=sys_prefix @jupyter/nbgrader >/dev/null 2>&1  # for teachers only
	-@$(BIN)/jupyter server extension disable --sys-prefix nbgrader.server_extensions.formgrader \
	  nbgrader.server_extensions.validate_assignment nbgrader.server_extensions.assignment_list \
	  nbgrader.server_extensions.course_list >/dev/null 2>&1
	@touch $@

search: .venv/.ready
	$(BIN)/speechnas search --corpus homecommands --budget standard --seed 0 --out $(OUT)

lab: .venv/.ready
	$(BIN)/jupyter lab --ServerApp.root_dir=. $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/00_start.ipynb

test: .venv/.ready
	$(BIN)/python -m pytest -q $(BOTH)
	$(BIN)/python -m pytest -q $(NBVAL) $(QUICK)

lessons: .venv/.ready
	$(BIN)/python -m pytest -q $(NBVAL) $(LESSONS)

test-all: .venv/.ready
	$(BIN)/python -m pytest -q $(BOTH) -m "slow or not slow"
	$(BIN)/python -m pytest -q $(NBVAL) $(LESSONS)

save: .venv/.ready
	$(BIN)/python -m speechnas_lab.study.saving $(LESSONS)

exercises: .venv/.ready
	$(BIN)/python tests/exercise_release.py

handout:
	@mkdir -p runs
	git archive --format=zip --prefix=speechnas_lab/ -o runs/handout.zip HEAD -- . $(KEPT_BACK)
	@echo "runs/handout.zip holds the course as committed last, without solutions and what shows them"

lint: .venv/.ready
	$(BIN)/ruff check .

pins: .venv/.ready
	$(BIN)/python tests/test_frame_pins.py
