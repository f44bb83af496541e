"""A real browser, Debian's chromium, and pages of the demo account to show in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.pages import hostile_page
from tests.script import Project

MISSING = "chromium is not installed (Debian: apt-get install chromium fonts-noto-core fonts-noto-cjk)."


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is; without it these tests are skipped, or fail where they were asked for."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("WOOTRIC_TEST_BROWSER"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return path


@pytest.fixture(scope="session")
def demo_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the demo account, with comments."""
    project = Project(tmp_path_factory.mktemp("demo"))
    outcome = project.run("--demo")
    assert outcome.code == 0, outcome.stderr
    outcome = project.run("--demo", "--report", "page.html", "--comments", "12")
    assert outcome.code == 0, outcome.stderr
    return project.folder / "page.html"


@pytest.fixture(scope="session", params=["demo", "hostile"])
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the demo, and one of names and comments that break what can be broken."""
    if request.param == "demo":
        yield request.getfixturevalue("demo_page")
        return
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    path.write_text(hostile_page(), encoding="utf-8")
    yield path
