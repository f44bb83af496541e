"""`init`: what it asks for is tried, and written for its owner alone; without a terminal it says what to do."""

import errno
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import tomlkit

from tests.conftest import NOON, Serve, row
from tests.end_to_end.test_accounts import NO_NAME
from tests.script import DUCKDB_FILE, Outcome, Project, expected
from wootric_pipeline.command.failures import explain
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, Account, Sandbox

SECONDS_MAX = 60
INTERRUPT = "interrupt"
"""In place of an answer."""
CLIENT = ["Client id", CLIENT_ID, "Client secret", CLIENT_SECRET]
DEFAULTS = ["Region", "", "Destination", "", "First day", ""]


@pytest.fixture
def account() -> Account:
    account = Account()
    for number, table in enumerate(("end_users", "responses", "declines")):
        account.fill(table, [row(100 * number + each, NOON + each) for each in range(3)])
    return account


def at_terminal(project: Project, talk: Sequence[str], *words: str, **environment: str) -> Outcome:
    """Runs `init` on a terminal, and gives an answer when each question is there."""
    leader, follower = pty.openpty()
    shown = ""
    with subprocess.Popen(
        [sys.executable, *project.command("init", *words)], cwd=project.folder, start_new_session=True,
        env={**project.environment, **environment}, stdin=follower, stdout=follower, stderr=follower,
    ) as process:  # fmt: skip
        os.close(follower)
        waiting, ends = list(zip(talk[::2], talk[1::2], strict=True)), time.monotonic() + SECONDS_MAX
        seen = 0
        while time.monotonic() < ends:
            if waiting and waiting[0][0] in shown[seen:]:
                seen = len(shown)
                answer = waiting.pop(0)[1]
                if answer == INTERRUPT:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(leader, f"{answer}\n".encode())
            if not select.select([leader], [], [], 0.05)[0]:
                continue
            try:
                part = os.read(leader, 4_096)
            except OSError:
                break
            shown += part.decode()
        process.kill()
    os.close(leader)
    assert waiting == [], shown
    return Outcome(process.returncode, shown.replace("\r\n", "\n"), "")


def project_of(folder: Path, sandbox: Sandbox) -> Project:
    project = Project(folder, base_url=sandbox.url)
    project.environment["TERM"] = "dumb"
    return project


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_answered_is_tried_and_written(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account)
    project = project_of(tmp_path, sandbox)
    outcome = at_terminal(project, [*CLIENT, "Region", "EU", "Destination", "", "First day", "2023-11-01"])
    assert outcome.code == 0
    assert {each.path for each in sandbox.requests} >= {"/oauth/token", "/v1/responses"}
    folder = tmp_path / ".dlt"
    assert (mode(folder), mode(folder / "secrets.toml")) == (0o700, 0o600)
    assert tomlkit.parse((folder / "secrets.toml").read_text()) == {
        "sources": {"wootric": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}
    }
    assert tomlkit.parse((folder / "config.toml").read_text()) == {
        "sources": {"wootric": {"region": "eu", "start_date": "2023-11-01"}}
    }
    # What it says can be run: with the environment that the test has set in place of Wootric's address.
    load, cron = [line for line in outcome.stdout.splitlines() if "cd " in line]
    assert cron.split(maxsplit=5)[1:5] == ["*"] * 4
    assert cron.split(maxsplit=5)[5] == f"{load} --log-file wootric.log"
    done = subprocess.run(load, shell=True, env=project.environment, stdout=subprocess.DEVNULL, timeout=SECONDS_MAX)
    assert done.returncode == 0
    assert project.held("responses") == expected(account, "responses")
    assert (tmp_path / DUCKDB_FILE).exists()


def test_secrets_are_not_shown(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    person = ["Client id", "", "E-mail address", USERNAME, "Password", PASSWORD, "Account token", "NPS-1"]
    outcome = at_terminal(project, [*person, *DEFAULTS])
    assert outcome.code == 0
    assert not [word for word in (USERNAME, PASSWORD, "NPS-1") if word in outcome.stdout]
    assert tomlkit.parse((tmp_path / ".dlt/secrets.toml").read_text()) == {
        "sources": {"wootric": {"username": USERNAME, "password": PASSWORD, "account_token": "NPS-1"}}
    }
    assert not (tmp_path / ".dlt/config.toml").exists()


def test_what_is_wrong_is_asked_again_and_nothing_is_written_until_it_is_right(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    project = project_of(tmp_path, serve(account))
    wrong = ["Client id", CLIENT_ID, "Client secret", "wrong"]
    outcome = at_terminal(project, [*wrong, *DEFAULTS, "Try again?", "n"])
    assert outcome.code == 2
    assert "Wootric refuses the credentials" in outcome.stdout
    assert not (tmp_path / ".dlt").exists()
    mistakes = ["Region", "mars", "Region", "", "Destination", "", "First day", "soon", "First day", ""]
    outcome = at_terminal(project, [*wrong, *mistakes, "Try again?", "", *CLIENT, *DEFAULTS])
    assert outcome.code == 0, outcome.stdout
    assert "region must be one of us, eu, au." in outcome.stdout
    assert "start_date must be a date such as" in outcome.stdout
    assert (tmp_path / ".dlt/secrets.toml").exists()


def test_who_tries_again_gives_only_what_was_wrong(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    project.set(files="jsonl")
    store = ["Bucket", f"file://{tmp_path}/bucket", "aws_access_key_id", "key", "aws_secret_access_key", ""]
    places = ["Region", "eu", "Destination", "filesystem", "First day", "2023-11-01"]
    first = ["Client id", CLIENT_ID, "Client secret", "wrong", *places, *store]
    again = ["Client id", "", "Client secret", CLIENT_SECRET, "Region", "", "Destination", "", "First day", ""]
    outcome = at_terminal(project, [*first, "Try again?", "", *again, "Bucket", "", "_id (", "-", "_access_key (", ""])
    assert outcome.code == 0, outcome.stdout
    assert "Region (us, eu, au) [eu]: " in outcome.stdout
    assert "Client secret (leave it out for the same as before): " in outcome.stdout
    assert tomlkit.parse((tmp_path / ".dlt/secrets.toml").read_text()) == {
        "sources": {"wootric": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}},
        "destination": {"filesystem": {"bucket_url": f"file://{tmp_path}/bucket"}},
    }
    assert tomlkit.parse((tmp_path / ".dlt/config.toml").read_text()) == {
        "sources": {"wootric": {"region": "eu", "start_date": "2023-11-01"}},
        "pipelines": {"wootric_pipeline": {"destination_type": "filesystem"}},
    }


@pytest.mark.parametrize("answer", [INTERRUPT, "\x04"])
def test_an_interrupt_writes_nothing(account: Account, serve: Serve, tmp_path: Path, answer: str) -> None:
    project = project_of(tmp_path, serve(account))
    outcome = at_terminal(project, ["Client id", answer])
    assert outcome.code == 1
    assert outcome.stdout.splitlines()[-1] == "Stopped; nothing was written."
    assert not (tmp_path / ".dlt").exists()
    assert "Traceback" not in outcome.stdout


def test_other_settings_and_comments_stay(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    project.write(".dlt/secrets.toml", '# mine\n[sources.wootric]\nclient_id = ""\nhash_key = "0123456789abcdef"\n')
    project.write(".dlt/config.toml", "# as well\n[runtime]\nlog_level = 'ERROR'\n")
    assert at_terminal(project, [*CLIENT, "Region", "au", *DEFAULTS[2:]]).code == 0
    secrets = (tmp_path / ".dlt/secrets.toml").read_text()
    assert secrets.startswith("# mine\n")
    assert tomlkit.parse(secrets)["sources"]["wootric"] == {
        "client_id": CLIENT_ID, "hash_key": "0123456789abcdef", "client_secret": CLIENT_SECRET,
    }  # fmt: skip
    assert mode(tmp_path / ".dlt/secrets.toml") == 0o600
    config = (tmp_path / ".dlt/config.toml").read_text()
    assert config.startswith("# as well\n")
    assert tomlkit.parse(config) == {"runtime": {"log_level": "ERROR"}, "sources": {"wootric": {"region": "au"}}}
    # What is there is not asked for again.
    outcome = at_terminal(project, [])
    assert outcome.code == 2
    assert "has credentials under [sources.wootric]; edit them there" in outcome.stdout


@pytest.mark.slow
def test_an_account_gets_a_section_of_its_own(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    assert at_terminal(project, [*CLIENT, *DEFAULTS], "--account", "acme").code == 0
    assert tomlkit.parse((tmp_path / ".dlt/secrets.toml").read_text())["sources"]["wootric"]["acme"] == {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    }  # fmt: skip
    assert project.run("--accounts", "all").code == 0


def test_another_destination_is_tried_as_well(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    project.set(files="jsonl")
    kind = ["Region", "", "Destination", "filesystem", "First day", ""]
    store = ["Bucket", f"file://{tmp_path}/bucket", "aws_access_key_id", "", "aws_secret_access_key", ""]
    assert at_terminal(project, [*CLIENT, *kind, *store]).code == 0
    assert project.run().code == 0
    assert list((tmp_path / "bucket/wootric/responses").iterdir())
    assert not (tmp_path / DUCKDB_FILE).exists()


def test_without_a_terminal_it_says_what_to_write_where(tmp_path: Path) -> None:
    project = Project(tmp_path)
    outcome = project.run("init")
    assert (outcome.code, outcome.sentence) == (2, "init asks on a terminal, and there is none; nothing was written.")
    for line in (
        f"Into {tmp_path}/.dlt/secrets.toml, which only you may read (chmod 600):", "[sources.wootric]",
        'client_id = "your-client-id"', f"Into {tmp_path}/.dlt/config.toml, what is other than this:",
        "[pipelines.wootric_pipeline]",
    ):  # fmt: skip
        assert line in outcome.stdout.splitlines()
    assert not (tmp_path / ".dlt").exists()
    # Whoever copies all of it loads all history into DuckDB.
    copied = outcome.stdout.partition(f"Into {tmp_path}/.dlt/config.toml")[2].partition("To try it")[0]
    assert tomlkit.parse(copied.partition("\n")[2]).unwrap() == {
        "sources": {"wootric": {}}, "pipelines": {"wootric_pipeline": {}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--account", "Acme"), NO_NAME.format("Acme")),
        (("--demo",), "Unrecognized arguments: --demo; see --help."),
    ],
)  # fmt: skip
def test_what_init_does_not_take_is_refused(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    outcome = Project(tmp_path).run("init", *words)
    assert (outcome.code, outcome.sentence) == (2, sentence)


def test_credentials_of_the_environment_go_before(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, serve(account))
    outcome = at_terminal(project, [], SOURCES__WOOTRIC__CLIENT_ID="x")
    assert outcome.code == 2
    assert "The environment has SOURCES__WOOTRIC__CLIENT_ID, which goes before what init would write" in outcome.stdout


DOTTED = """\
sources.wootric.globex = {client_id="old", client_secret="oldsecret"}
sources.wootric.exclude_columns=["personal"]
"""


@pytest.mark.parametrize("text", [DOTTED, '[sources]\nwootric.globex.client_id="old"\nwootric.deleted="mark"\n'])
@pytest.mark.parametrize("file", ["secrets.toml", "config.toml"])
def test_what_would_mean_something_else_then_is_left_alone(tmp_path: Path, text: str, file: str) -> None:
    project = Project(tmp_path)
    project.write(f".dlt/{file}", text)
    outcome = at_terminal(project, [], "--account", "acme")
    assert outcome.code == 2
    assert f"init cannot add to {tmp_path}/.dlt/{file}, which has keys with dots" in outcome.stdout
    assert (tmp_path / ".dlt" / file).read_text() == text


def test_a_file_stays_where_a_link_leads_and_keeps_the_ends_of_its_lines(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    project = project_of(tmp_path, serve(account))
    project.write("elsewhere/mine.toml", "")
    (tmp_path / "elsewhere/mine.toml").write_bytes(b"# mine\r\n[runtime]\r\nlog_level = 'ERROR'\r\n")
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/secrets.toml").symlink_to("../elsewhere/mine.toml")
    assert at_terminal(project, [*CLIENT, *DEFAULTS]).code == 0
    assert (tmp_path / ".dlt/secrets.toml").is_symlink()
    written = (tmp_path / "elsewhere/mine.toml").read_bytes()
    assert written.startswith(b"# mine\r\n[runtime]\r\nlog_level = 'ERROR'\r\n")
    assert CLIENT_SECRET.encode() in written
    assert mode(tmp_path / "elsewhere/mine.toml") == 0o600


@pytest.mark.parametrize(
    ("path", "sentence"),
    [(".dlt", "{}/.dlt is no folder; move it away."), (".dlt/secrets.toml/x", "{}/.dlt/secrets.toml is no file;")],
)
def test_what_is_in_the_way_is_told_before_anything_is_asked(tmp_path: Path, path: str, sentence: str) -> None:
    project = Project(tmp_path)
    project.write(path, "")
    outcome = at_terminal(project, [])
    assert outcome.code == 2
    assert sentence.format(tmp_path) in outcome.stdout


def test_a_settings_folder_that_cannot_be_written_is_told() -> None:
    error = PermissionError(errno.EACCES, "denied", "/srv/surveys/.dlt/secrets.toml")
    sentence = "/srv/surveys/.dlt/secrets.toml cannot be written; check its permissions."
    assert explain(error) == (sentence, 2)
