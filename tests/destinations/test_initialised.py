"""What `dlt init` makes for PostgreSQL loads an account into a real server."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, Servers
from tests.repository import configure, initialised
from tests.script import TABLE_NAMES, expected
from wootric_pipeline.sandbox import DemoAccount


@pytest.mark.xdist_group("postgres")
def test_an_initialised_project_loads_the_account_into_postgres(servers: Servers, serve: Serve, tmp_path: Path) -> None:
    import psycopg2

    account = DemoAccount(NOON, end_users=30, responses=90, declines=20)
    project = initialised(tmp_path, "postgres")
    configure(project, serve(account).url)
    project.script.write_text(
        project.script.read_text().replace('dataset_name="wootric"', 'dataset_name="initialised"')
    )
    outcome = project.run(DESTINATION__POSTGRES__CREDENTIALS=servers["postgres"].address)
    assert outcome.code == 0, outcome.stderr
    with closing(psycopg2.connect(servers["postgres"].address)) as connection, connection.cursor() as cursor:
        for table in TABLE_NAMES:
            cursor.execute(f"SELECT id, extract(epoch FROM updated_at)::bigint FROM initialised.{table}")
            assert sorted(cursor.fetchall()) == sorted(expected(account, table).items())
