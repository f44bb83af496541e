"""The life of an account at an emulator of BigQuery, which has an environment of its own: opt in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.conftest import Serve
from tests.destinations import test_destinations
from tests.scripted import Scripted, issued
from tests.servers import Server, free_ports, killed_in_the_end

PYTHON = os.environ.get("WOOTRIC_TEST_BIGQUERY", "")
"""Of the environment with the emulator."""

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="needs local-bigquery; make test-bigquery"),
    # It would read faster, from another server.
    pytest.mark.filterwarnings("ignore:Cannot create BigQuery Storage client"),
    pytest.mark.filterwarnings("ignore:You are using a non-supported Python version"),
]

START = """
from duckdb_extensions import import_extension
from local_bigquery.cli import main
for name in ("icu", "ducklake", "spatial"):
    import_extension(name)
main()
"""


@contextmanager
def bigquery(folder: Path) -> Iterator[Server]:
    """An emulator of BigQuery."""
    port, storage_port = free_ports(2)
    command = [PYTHON, "-c", START, "--host=127.0.0.1", f"--port={port}", f"--grpc-port={storage_port}"]
    address = f"http://127.0.0.1:{port}"
    server = Server(
        address, [*command, "--project=analytics", f"--data-dir={folder}"], folder, lambda: _answers(address)
    )
    with killed_in_the_end(server) as came_up:
        assert came_up, (folder / "server.log").read_text()
        yield server


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/bigquery/v2/projects/analytics/datasets", timeout=30).ok
    except requests.RequestException:
        return False


def service_account(token_uri: str) -> str:
    """Credentials for nothing: whoever gives tokens there takes any signature."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    fields = {
        "type": "service_account",
        "project_id": "analytics",
        "client_email": "loader@example.com",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "token_uri": token_uri,
    }
    return json.dumps(fields)


def test_the_tables_follow_the_account(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bigquery(tmp_path) as server, Scripted(sign_in=(issued("a-token"),)) as tokens:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        monkeypatch.setenv("DESTINATION__BIGQUERY__CREDENTIALS", service_account(f"{tokens.url}/token"))
        # The emulator does not take compressed files.
        monkeypatch.setenv("DATA_WRITER__DISABLE_COMPRESSION", "true")
        # Not with properties as JSON: the emulator gives each object the keys of all others.
        test_destinations.test_the_tables_follow_the_account("bigquery", "columns", serve)
