# `make run` and `make test` need Python 3.11+, git and make; both install what they need into .venv.
PYTHON ?= python3
VENV = .venv
ARGS ?=
PYTEST = $(VENV)/bin/pytest
# Much of the suite waits for processes and disks, so more workers than cores.
WORKERS ?= 5
# How much the tests that try at random try, and how often processes are killed: `quick` is a third of `full`. `make test`
# is quick, `make coverage` and .ci/run are full; `make test TEST_EFFORT=full` too.
TEST_EFFORT ?= quick
# Where it is set, each of the hundreds of processes that the tests start would compile the gateway anew.
unexport PYTHONDONTWRITEBYTECODE
INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test coverage prove lint docs bench lock clean

run: $(VENV)/.run
	@$(VENV)/bin/gateway demo $(ARGS)

test: $(VENV)/.dev
	TEST_EFFORT=$(TEST_EFFORT) $(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

# The same tests with full effort, measured. Fails under the share that pyproject.toml asks for; somewhat slower than `make test`.
coverage: $(VENV)/.dev
	$(VENV)/bin/coverage erase
	$(MAKE) test TEST_EFFORT=full PYTEST="$(VENV)/bin/coverage run -m pytest"
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

# The tests that kill the serving process, a hundred times instead of a few, and 200 random courses of everything at once.
# About twenty minutes.
prove: $(VENV)/.dev
	TEST_EFFORT=full PROVE_KILLS=100 PROVE_SEEDS=200 $(PYTEST) tests/test_faults.py tests/test_promises.py $(ARGS)

# docs/reference and the schemas, made of the code; a test fails while they are stale.
docs: $(VENV)/.dev
	$(VENV)/bin/gateway reference --write docs/reference
	$(VENV)/bin/gateway schema --write rules/library

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Needs wrk and taskset (Debian: wrk, util-linux). `make bench ARGS="--seconds 3 --repeat 1"` for a first look.
bench: $(VENV)/.run
	@$(VENV)/bin/python bench/throughput/run.py $(ARGS)

# What is installed is pinned with hashes, the build tools too; the gateway itself comes editable on top of it.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and $(PYTHON) is not that. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.run: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing into $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements-dev.lock pyproject.toml
	@echo "Installing into $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

# New versions within the ranges of pyproject.toml. It depends on no lock, so it can mend a broken one. This machine's own
# pip settings stay out of it: the hashes are those of the published files, for every platform, and no address is written.
LOCK = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
	$(VENV)/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	--build-deps-for editable --build-deps-for wheel \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock: $(VENV)/bin/python
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check "pip-tools>=7.5,<8"
	$(LOCK) --extra postgres --output-file requirements.lock pyproject.toml
	$(LOCK) --extra dev --extra postgres --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV)
