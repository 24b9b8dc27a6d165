# `make run`, `make demo` and `make test` do all the set-up: a .venv beside this file, exact versions, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := requirements.txt requirements-dev.txt requirements-no-deps.txt constraints.txt
# The stamp's name holds a checksum of the requirement files, so that a change of them, and nothing else, installs again.
STAMP := $(VENV)/.installed-$(shell cat $(REQUIREMENTS) | cksum | tr ' ' -)

.PHONY: help run demo test tests lint body-pack setup clean
.DEFAULT_GOAL := help

help:
	@echo "make run        set-up, then the studio in the browser"
	@echo "make demo       the main job on the sample brand, from thirty photos to listing packages"
	@echo "make test       lint, types and every test"
	@echo "make lint       lint and types alone"
	@echo "make body-pack  export the body pack that the foundry renders from (needed only to build croquis anew)"

run: $(STAMP)
	$(BIN)/python app.py

demo: $(STAMP)
	$(BIN)/python app.py demo

# Types are checked beside the tests: the browser tests leave a part of a core idle.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j2 lint tests

tests: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

body-pack: $(STAMP)
	$(BIN)/python -m foundry.body_pack

setup: $(STAMP)

$(STAMP):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	@if command -v uv >/dev/null 2>&1; then \
		set -e; \
		test -x $(BIN)/python || uv venv --python "$(PYTHON)" $(VENV); \
		uv pip install --python $(BIN)/python -r requirements.txt -r requirements-dev.txt -c constraints.txt; \
		uv pip install --python $(BIN)/python --no-deps -r requirements-no-deps.txt -c constraints.txt; \
	else \
		set -e; \
		test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); \
		$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt -r requirements-dev.txt -c constraints.txt; \
		$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements-no-deps.txt -c constraints.txt; \
	fi
	@rm -f $(VENV)/.installed-*
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
