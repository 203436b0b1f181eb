# Every target sets up what it needs: a virtual environment made from hash-pinned requirements, under the newest Python
# there is, or under PYTHON.
FOUND := $(shell sh .ci/interpreters $(PYTHON) | head -n 1)
VERSION := $(word 1,$(FOUND))
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made-with-$(VERSION)
READY := $(VENV)/.ready-run
READY_DEV := $(VENV)/.ready-dev

.PHONY: demo test lint bench soak mutate function wheel pictures format requirements clean

demo: $(READY)
	@$(BIN)/sgsweep demo $(ARGS)

test: $(READY_DEV)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

soak: $(READY_DEV)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m soak --timeout 900 $(ARGS)

# Mutants of the rooms that judge, plan and change: the tests must kill 95 % of those of securitygroup, exposure and
# policy, 90 % of those of plan and remediate. An hour on two cores; name files in ARGS for a part of it, or take a random
# part of all with ARGS="--share 0.2" (the seed is printed).
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

wheel: $(READY)
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist .

bench: $(READY_DEV)
	$(BIN)/python -m benchmarks $(ARGS)

# The README's pictures, anew. Needs Chromium.
pictures: $(READY_DEV)
	$(BIN)/python -m docs.pictures.draw

# The stamp names the Python that the environment was made with: two never share one, and a newer one makes it anew.
# What is there and is no environment is left alone.
$(MADE):
	@test -n "$(FOUND)" || { echo "sgsweep needs Python 3.11 or newer with pip, venv, ssl and sqlite3;" \
		"$(or $(PYTHON),python3 on the path) is not: make PYTHON=... names another" >&2; exit 2; }
	@test ! -e $(VENV) || test -e $(VENV)/pyvenv.cfg || { echo "$(VENV) is no virtual environment:" \
		"move it away, or name another folder with make VENV=..." >&2; exit 2; }
	@test ! -e $(VENV) || echo "$(VENV) was made with another Python; making it anew with Python $(VERSION)" >&2
	$(word 2,$(FOUND)) -m venv --clear $(VENV)
	@touch $@

$(READY): requirements/run.txt requirements/build.txt pyproject.toml $(MADE)
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
	rm -rf .venv .venv-* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
