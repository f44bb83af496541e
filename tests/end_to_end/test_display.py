"""What a user sees on a terminal while a run goes on, and what is left there afterwards."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NOON, Serve, row
from tests.script import LOG_AT_ONCE, TABLE_NAMES, TIMEOUT_SECONDS, Project, expected, project_for
from wootric_pipeline.command.progress import StatusLine
from wootric_pipeline.sandbox import Account, Refused

CONTROL_C = b"\x03"
TAKES_THE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
"""A prelude: Ctrl-C is for this program."""
OF_DLT = ("Extract", "Normalize", "Jobs", "Resources", "Files", "_dlt", "Load wootric", "[Failed]")
LOAD_ID = re.compile(r"\d{10}\.\d+")
ROWS = 400


@dataclass(frozen=True)
class Watched:
    """A run on a terminal.

    Attributes:
        code: How it ended.
        stdout: What it printed, which did not go to the terminal.
        typed: All that was written to the terminal, its line ends as `\\n`.
        columns: How wide that is.
    """

    code: int
    stdout: str
    typed: str
    columns: int

    @property
    def lines(self) -> list[str]:
        """What was to be seen in a line of the screen, one after the other."""
        return [text.rstrip() for text in re.split(r"[\r\n]", self.typed) if text.strip()]

    @property
    def left(self) -> list[str]:
        """The screen in the end; what is written behind the last column goes on in the next line."""
        screen, at = [""], 0
        for character in self.typed:
            if character == "\r":
                at = 0
            elif character == "\n" or at == self.columns:
                screen.append("")
                at = 0
            if character not in "\r\n":
                screen[-1] = screen[-1][:at].ljust(at) + character + screen[-1][at + 1 :]
                at += 1
        return [line.rstrip() for line in screen if line.strip()]


def watch(
    project: Project,
    *words: str,
    columns: int = 80,
    interrupted_by: str | None = None,
    prelude: str = "",
    **environment: str,
) -> Watched:
    """Runs the script with its stderr and its keyboard on a terminal.

    Args:
        project: Where.
        words: The command line.
        columns: How wide the terminal is; 0 is one that does not know, and is taken for 80.
        interrupted_by: Ctrl-C is pressed once this is to be seen.
        prelude: Python to run in the process before the script.
        environment: More variables.
    """
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, *project.command(*words, prelude=f"{TAKES_THE_TERMINAL}\n{prelude}")],
        cwd=project.folder,
        env={**project.environment, **environment},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        typed = _typed(keyboard, interrupted_by)
        assert process.stdout
        with process.stdout:
            stdout = process.stdout.read().decode()
        return Watched(process.wait(TIMEOUT_SECONDS), stdout, typed.replace("\r\n", "\n"), columns or 80)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)


def _typed(keyboard: int, interrupted_by: str | None) -> str:
    """All that a terminal is given until the last program that writes to it has ended."""
    typed, deadline = b"", time.monotonic() + TIMEOUT_SECONDS
    # Linux tells the end of the other side by an error.
    with suppress(OSError):
        while select.select([keyboard], [], [], max(deadline - time.monotonic(), 0))[0]:
            if not (more := os.read(keyboard, 65_536)):
                break
            typed += more
            if interrupted_by and interrupted_by.encode() in typed:
                os.write(keyboard, CONTROL_C)
                interrupted_by = None
    assert time.monotonic() < deadline
    return typed.decode()


@pytest.fixture
def account() -> Account:
    account = Account()
    for table in TABLE_NAMES:
        # In no order but that of their updates: where a list can be in others, rows wait until it is proven.
        rows = [row(index * 7 % ROWS, NOON + index, created=NOON - index * 3 % ROWS) for index in range(ROWS)]
        account.fill(table, rows)
    return account


def assert_in_the_users_words(text: str) -> None:
    assert [word for word in OF_DLT if word in text] == []
    assert LOAD_ID.search(text) is None


def assert_one_plain_line(watched: Watched) -> None:
    """Whether it takes no colour, no movement but to the beginning of the line, and no more than that line."""
    assert re.sub(r"[ -~\r]", "", watched.typed) == ""
    assert [line for line in watched.lines if len(line) >= watched.columns] == []
    assert watched.left == []


def seen(pattern: str, watched: Watched) -> list[str]:
    """The lines that were to be seen and match as a whole, each once."""
    return list(dict.fromkeys(line for line in watched.lines if re.fullmatch(pattern, line)))


IN_ANY_ORDER = r"(?:(?:, )?(?:end_users|responses|declines) 400){3} rows"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "environment", "rows_read"),
    [
        pytest.param(100, {"TERM": "xterm-256color"}, IN_ANY_ORDER, id="wide"),
        pytest.param(40, {"TERM": "dumb", "NO_COLOR": "1"}, "1,200 rows", id="narrow and dumb"),
    ],
)
def test_a_run_is_shown_in_a_line_that_is_gone_in_the_end(
    serve: Serve, account: Account, tmp_path: Path, columns: int, environment: dict[str, str], rows_read: str
) -> None:
    project = project_for(serve(account, latency_seconds=0.1), tmp_path)
    watched = watch(project, columns=columns, **environment)
    assert watched.code == 0
    assert "1,200 rows into duckdb" in watched.stdout
    assert_one_plain_line(watched)
    assert_in_the_users_words(watched.typed)
    assert watched.lines[0] == "Connecting to duckdb"
    reading = seen(r"Reading - (?:(?:, )?\w+ \d+)+ rows" if columns != 40 else r"Reading - [\d,]+ rows", watched)
    assert len(reading) > 3
    assert seen(f"Preparing - {rows_read}", watched)
    assert seen(rf"Loading into duckdb, \d+ of \d+ steps(?: - (?:{rows_read}|1,200 rows))?", watched)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [0, 40])
def test_waits_for_the_rate_limit_are_shown(serve: Serve, account: Account, tmp_path: Path, columns: int) -> None:
    project = project_for(serve(account, rate_limit=15, rate_window_seconds=2.5), tmp_path)
    watched = watch(project, "--tables", "responses,declines", "--json", columns=columns)
    assert (watched.code, json.loads(watched.stdout)["rate_limit_wait_seconds"] > 1) == (0, True)
    assert_one_plain_line(watched)
    behind = "" if columns == 40 else "(?: - .* rows)?"
    assert seen(rf"Waiting for Wootric's rate limit, [12] s{behind}", watched)
    # It has ended with the rows that came.
    assert seen(r"Reading - .*800 rows|Reading - \w+ 400, \w+ 400 rows", watched)


def test_waits_for_an_answer_are_shown(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account)

    def outage(_table: str) -> None:
        if len(sandbox.requests) < 5:
            raise Refused(500, "internal error")

    sandbox.behaviour.before_answer = outage
    watched = watch(project_for(sandbox, tmp_path), "--tables", "responses")
    assert watched.code == 0
    assert_one_plain_line(watched)
    assert seen(r"Waiting for Wootric to answer, \d+ s(?: - responses \d+ rows)?", watched)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 200])
def test_control_c_leaves_two_sentences(serve: Serve, account: Account, tmp_path: Path, columns: int) -> None:
    project = project_for(serve(account, latency_seconds=0.3), tmp_path)
    watched = watch(project, columns=columns, interrupted_by="Reading - ")
    stopped = "Stopped; what was loaded before stays valid, and running again goes on from there."
    assert (watched.code, watched.stdout) == (1, "")
    # The first is dlt's, after what the terminal itself makes of the key.
    assert re.fullmatch(rf"\^CCTRL-C received\.[^\n]*? again to force stop\.{stopped}", "".join(watched.left))
    assert project.run().code == 0
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_failure_leaves_its_sentence(serve: Serve, account: Account, tmp_path: Path) -> None:
    account.put("responses", {**row(104, NOON + 60), "created_at": None})
    watched = watch(project_for(serve(account, latency_seconds=0.1), tmp_path), columns=200)
    assert watched.code == 1
    assert watched.left == [
        "1 row is left out of responses, and all others are loaded. The row with id 104 of responses has no created_at."
    ]


@pytest.mark.slow
def test_a_log_on_the_terminal_takes_the_place_of_the_line(serve: Serve, account: Account, tmp_path: Path) -> None:
    sandbox = serve(account)
    to_the_terminal = watch(project_for(sandbox, tmp_path / "terminal"), "--debug", columns=400)
    assert to_the_terminal.code == 0
    assert [line for line in to_the_terminal.left if not re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|DEBUG) ", line)] == []
    to_a_file = watch(project_for(sandbox, tmp_path / "file"), "--debug", "--log-file", "wootric.log", columns=400)
    assert (to_a_file.code, to_a_file.left, to_a_file.lines[0]) == (0, [], "Connecting to duckdb")


@pytest.mark.parametrize("words", [("--progress", "none"), ("--check",)])
def test_nothing_is_shown_where_nobody_asks_for_it(
    serve: Serve, account: Account, tmp_path: Path, words: tuple[str, ...]
) -> None:
    watched = watch(project_for(serve(account), tmp_path), *words)
    assert (watched.code, watched.typed) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("log", "- Reading -"), ("tqdm", "Reading: ")])
def test_collectors_of_dlts_use_the_users_words(
    serve: Serve, account: Account, tmp_path: Path, name: str, shown: str
) -> None:
    project = project_for(serve(account, latency_seconds=0.05), tmp_path)
    outcome = project.run("--json", "--progress", name, prelude=LOG_AT_ONCE)
    assert outcome.report["ok"]
    assert shown in outcome.stderr
    assert re.search("responses: 400", outcome.stderr)
    assert "Loading into duckdb" in outcome.stderr
    assert_in_the_users_words(outcome.stderr)


def test_a_terminal_that_is_gone_does_not_end_the_run() -> None:
    keyboard, terminal = pty.openpty()
    stderr = os.fdopen(terminal, "w")
    os.close(keyboard)
    line = StatusLine(stderr)
    with line("Reading"):
        line.update("responses", 50)
    line.clear()
    # What could not be written is tried once more.
    with suppress(OSError):
        stderr.close()
