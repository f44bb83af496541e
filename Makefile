# Two commands do everything on a fresh machine with Python 3.10+: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types unit test-destinations test-peer benchmark-requests benchmark-memory clean

demo: .venv/installed
	$(BIN)/python wootric_pipeline.py --demo

test: lint types unit

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The package hides the script of the same name, so each is checked by itself.
types: .venv/installed-dev
	$(BIN)/mypy -p wootric_pipeline
	$(BIN)/mypy tests benchmarks
	$(BIN)/mypy -c "$$(cat wootric_pipeline.py)"

unit: .venv/installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 2 --ignore tests/test_destinations.py
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# Real servers, on loopback, started and stopped by the tests.
test-destinations: .venv/installed-destinations
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup tests/test_destinations.py

# Proves that another client, tap-wootric, works against the sandbox; installs it in an environment of its own.
test-peer: .venv/installed-dev
	WOOTRIC_TEST_PEER=1 $(BIN)/python -m pytest -q tests/test_peer.py

benchmark-requests benchmark-memory: benchmark-%: .venv/installed-dev
	$(BIN)/python benchmarks/$(if $(filter requests,$*),requests_against_tap,$*).py

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[dev]'
	touch $@

.venv/installed-destinations: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[destinations]'
	touch $@

clean:
	rm -rf .venv benchmarks/.peers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
