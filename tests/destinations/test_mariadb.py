"""A server of MariaDB's, reached as is documented: the same life of an account as elsewhere. Opt in.

Needs `mariadbd` and `mariadb-install-db` on the machine; no package of Python's carries them.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.destinations import test_destinations
from tests.destinations.test_files import assert_loaded, load_with, small_account
from tests.documents import TEXT, block
from tests.end_to_end import test_readme
from tests.servers import SECRET_KEY, Server, free_ports, home, killed_in_the_end

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("WOOTRIC_TEST_MARIADB") != "1", reason="needs a server of MariaDB's; set WOOTRIC_TEST_MARIADB=1"
    ),
    # dlt 1.31 with SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:Coercing Subquery object into a select"),
]

settings_file = test_readme.settings_file

DATASETS = ("wootric", "wootric_columns", "wootric_json")
# Where servers are, which is not in everybody's PATH.
PATHS = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    """Has a user with the rights the documents ask for on each dataset, and no others."""
    with home() as folder:
        server = installed(folder)
        with killed_in_the_end(server) as came_up:
            assert came_up
            yield server


def installed(folder: Path) -> Server:
    # It does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    subprocess.run(
        [program("mariadb-install-db"), "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db"],
        check=True, capture_output=True, user=user, cwd=folder,
    )  # fmt: skip
    rights = [f"GRANT ALL ON {name}{ending}.* TO loader" for name in DATASETS for ending in ("", "_staging")]
    statements = [f"CREATE USER loader IDENTIFIED BY '{SECRET_KEY}'", "CREATE DATABASE wootric", *rights]
    (folder / "init.sql").write_text("".join(f"{statement};\n" for statement in statements))
    (port,) = free_ports(1)
    options = {
        "bind-address": "127.0.0.1", "port": port, "datadir": folder / "data", "init-file": folder / "init.sql",
        "socket": folder / "socket", "pid-file": folder / "pid", "character-set-server": "utf8mb4",
    }  # fmt: skip
    command = [program("mariadbd"), "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
    here = address().replace(":secret@localhost:3306", f":{SECRET_KEY}@127.0.0.1:{port}")
    return Server(here, command, folder, lambda: listens(port), user)


def address() -> str:
    """The documented one."""
    (found,) = re.findall(r'"(mysql\+pymysql://[^"]*)"', TEXT)
    return str(found)


def program(name: str) -> str:
    found = shutil.which(name, path=PATHS)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_the_documented_settings_are_enough(mariadb: Server, serve: Serve, settings_file: Path) -> None:
    account = small_account()
    settings = block("toml", address()).replace(address(), mariadb.address)
    load_with(settings, serve(account), settings_file, "--destination", "sqlalchemy")
    assert_loaded("sqlalchemy", account)


@pytest.mark.parametrize("properties", ["columns", "json"])
def test_the_tables_follow_the_account(
    properties: str, mariadb: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__SQLALCHEMY__CREDENTIALS", mariadb.address)
    test_destinations.test_the_tables_follow_the_account("sqlalchemy", properties, serve)
