"""This repository as others get it: cloned, and as a project that `dlt init` makes of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.script import Outcome, Project
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET

INSTALL_SECONDS_MAX = 300
PLACEHOLDER = '"<configure me>"'


def git(folder: Path, *words: str) -> None:
    """Runs git with no settings of the machine's."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    # Another user's checkout, as in a container, is cloned all the same.
    trust = ["-c", "safe.directory=*"]
    subprocess.run(["git", *identity, *trust, *words], cwd=folder, env=environment, check=True, capture_output=True)


def repository(folder: Path, *names: str) -> Path:
    """A new repository with some files and folders as they are in the working tree."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in names:
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / name, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(PROJECT / name, folder / name)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "As it is")
    return folder


def initialised(folder: Path, destination: str) -> Project:
    """The project that `dlt init` makes of this repository in an empty folder below another."""
    project = Project(folder / "created")
    project.folder.mkdir()
    del project.environment["PYTHONPATH"]
    project.environment["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    project.environment["PATH"] = os.environ["PATH"]
    clone = folder / "clone"
    git(folder, "clone", "--quiet", str(repository(folder / "repository", "wootric_pipeline", "sources")), str(clone))
    made = project.python("-m", "dlt", "init", "wootric", destination, "--location", str(clone))
    assert made.code == 0, made.stdout + made.stderr
    project.script = project.folder / "wootric_pipeline.py"
    return project


def configure(project: Project, base_url: str, **secrets: str) -> None:
    """Fills in what a user has to, and leaves the rest as it was made."""
    text = (project.folder / ".dlt/secrets.toml").read_text()
    for name, value in {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **secrets}.items():
        assert f"{name} = {PLACEHOLDER}" in text
        text = text.replace(f"{name} = {PLACEHOLDER}", f'{name} = "{value}"', 1)
    project.write(".dlt/secrets.toml", text)
    config = (project.folder / ".dlt/config.toml").read_text()
    project.write(".dlt/config.toml", f'{config}\n[sources.wootric]\nbase_url = "{base_url}"\n')


def environment(folder: Path) -> dict[str, str]:
    """Of a user with this Python, and whatever tells pip where packages are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "VIRTUAL"))}
    return {**kept, "HOME": str(folder), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(folder: Path, *words: str | Path, **variables: str) -> Outcome:
    """Runs a program to its end."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**environment(folder), "DLT_DATA_DIR": str(folder / "dlt"), **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=INSTALL_SECONDS_MAX,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
