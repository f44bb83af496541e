"""The command as README has it installed: in a new environment, and without the repository at hand."""

import re
import shutil
import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT, first
from tests.documents import COMMAND, THIS_REPOSITORY, block
from tests.end_to_end.test_documented_runs import DEMO_FILE, kinds, records, right_answers
from tests.repository import environment, repository, run
from tests.script import Outcome, Project
from wootric_pipeline.version import VERSION

pytestmark = [pytest.mark.installs, pytest.mark.xdist_group("installed")]

CLONE = block("sh", "git clone", "README.md")
NEEDED = ("wootric_pipeline", "wootric_pipeline.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the lines for a clone made; nothing is left of the clone but that and the demo's file."""
    folder = tmp_path_factory.mktemp("installed")
    origin = repository(folder / "repository", *NEEDED)
    trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    outcome = run(folder, "bash", "-ec", CLONE.replace(THIS_REPOSITORY, str(origin)), **trust)
    assert outcome.code == 0, outcome.stderr
    clone = folder / "wootric_pipeline"
    for path in [origin, *clone.iterdir()]:
        if path.name not in (".venv", DEMO_FILE):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return clone / ".venv"


def command(installed: Path, words: str) -> list[str | Path]:
    """The command as it is installed, or as a module of Python's."""
    return [installed / "bin" / COMMAND] if words == COMMAND else [installed / "bin/python", *words.split()]


WAYS = pytest.mark.parametrize("words", first(COMMAND, "-m wootric_pipeline"))


@pytest.mark.slow
def test_the_lines_for_a_clone_load_the_demo(installed: Path) -> None:
    assert right_answers(records(installed.parent / DEMO_FILE))


def test_modules_of_the_package_are_installed_and_nothing_else(installed: Path) -> None:
    (path,) = installed.glob("lib/python*/site-packages/wootric_pipeline-*.dist-info")
    distribution = PathDistribution(path)
    of_code = (".py", ".sql", ".css", ".yml", ".md")
    code = [file for file in (PROJECT / "wootric_pipeline").rglob("*") if file.suffix in of_code]
    modules = {str(file.relative_to(PROJECT)) for file in code}
    files = {str(file) for file in distribution.files or [] if "__pycache__" not in str(file)}
    assert {name for name in files if not name.startswith(f"{path.name}/")} == {*modules, f"../../../bin/{COMMAND}"}
    assert distribution.version == VERSION


@WAYS
def test_the_command_names_itself(installed: Path, tmp_path: Path, words: str) -> None:
    called = command(installed, words)
    assert run(tmp_path, *called, "--version") == Outcome(0, f"wootric_pipeline {VERSION}\n", "")
    helped = run(tmp_path, *called, "--help")
    assert (helped.code, helped.stderr) == (0, "")
    name = COMMAND if words == COMMAND else f"python {words}"
    assert helped.stdout.startswith(f"usage: {name} [")
    assert set(re.findall(r"--[a-z-]+", helped.stdout)) == set(
        re.findall(r"--[a-z-]+", Project(tmp_path).run("--help").stdout)
    )


@pytest.fixture(scope="module")
def report_of_the_script(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script in the working tree reports of the demo."""
    return Project(tmp_path_factory.mktemp("script")).run("--demo", "--json").report


def rows_of(report: dict[str, Any]) -> dict[str, int]:
    return {name: table["rows"] for name, table in report["tables"].items()}


@WAYS
def test_the_command_loads_the_demo_as_the_script_does(
    installed: Path, tmp_path: Path, words: str, report_of_the_script: dict[str, Any]
) -> None:
    outcome = run(tmp_path, *command(installed, words), "--demo", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert kinds(outcome.report) == kinds(report_of_the_script)
    assert rows_of(outcome.report) == rows_of(report_of_the_script)
    assert right_answers(records(tmp_path / DEMO_FILE))


def test_the_sandbox_is_installed(installed: Path, tmp_path: Path) -> None:
    words = (*command(installed, "-m wootric_pipeline.sandbox"), "--port", "0", "--end-users", "9")
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, encoding="utf-8"
    ) as server:
        assert server.stdout is not None
        try:
            url = re.findall(r"http://[\d.:]+", server.stdout.readline())[0]
            access = {"BASE_URL": url, "CLIENT_ID": "sandbox", "CLIENT_SECRET": "sandbox"}
            settings = {f"SOURCES__WOOTRIC__{name}": value for name, value in access.items()}
            outcome = run(tmp_path, *command(installed, COMMAND), "--json", "--tables", "end_users", **settings)
        finally:
            server.terminate()
    assert outcome.code == 0, outcome.stderr
    # It grows while it is served.
    assert outcome.report["tables"]["end_users"]["rows"] >= 9
