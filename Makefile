# Every target sets up what it needs: a virtual environment made from hash-pinned requirements.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-run
READY_DEV := $(VENV)/.ready-dev

.PHONY: demo test lint bench soak mutate function format requirements clean

demo: $(READY)
	@$(BIN)/sgsweep demo $(ARGS)

test: $(READY_DEV)
	$(BIN)/python -m pytest -n 2 $(ARGS)

soak: $(READY_DEV)
	$(BIN)/python -m pytest -n 2 -m soak --timeout 900 $(ARGS)

# Mutants of the pure rooms: the tests must kill 95 %. Half an hour on two cores; name files in ARGS for a part of it.
mutate: $(READY_DEV)
	$(BIN)/python -m tests.mutation $(ARGS)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

function: $(READY)
	$(BIN)/python function/build.py $(ARGS)

bench: $(READY_DEV)
	$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "sgsweep needs Python 3.11 or newer (python3 on PATH, or make PYTHON=...)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(READY): requirements/run.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(READY_DEV): requirements/dev.txt $(READY)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Pins anew. Needs uv (`pip install uv`); the files name no index and no host.
UV_COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --quiet
requirements:
	$(UV_COMPILE) --python-version 3.11 pyproject.toml -o requirements/run.txt
	$(UV_COMPILE) --python-version 3.11 requirements/build.in -o requirements/build.txt
	$(UV_COMPILE) --python-version 3.11 -c requirements/run.txt --group dev -o requirements/dev.txt

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
