"""`init`: asks for what a first run needs, tries it, and writes it where dlt looks for it."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timezone
from getpass import getpass
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import ParseError

from ..accounts import PAIRS, SECTION, given_name
from ..api.address import HOSTS
from ..dlt_internals import settings_folder
from ..errors import ConfigurationError
from ..settings import moment
from ..starting import FAILURE, started
from .arguments import Arguments
from .failures import explain
from .pipeline import DEFAULT_DATASET, DEFAULT_DESTINATION, PIPELINE_NAME

INIT = "init"
DESCRIPTION = "Asks for credentials, region, destination and first day, tries them, and writes them into .dlt."
DEFAULT_REGION = "us"
ALL_HISTORY = "all history"
NONE = "-"
"""The answer of who has nothing to answer."""
SET_ALREADY = "if it is set already"
SECRETS, CONFIG = "secrets.toml", "config.toml"
OWNER_ALONE = 0o600
ADDRESSES = {
    "postgres": "postgresql://loader:password@localhost:5432/surveys",
    "sqlalchemy": "mysql+pymysql://loader:password@localhost:3306/surveys",
}
"""Examples of credentials, by destination."""
Check = Callable[[Sequence[str]], int]
Path_ = tuple[str, ...]


class Settings(NamedTuple):
    """What is to be written, by sections and name.

    Attributes:
        secrets: Into the one file.
        config: Into the other.
    """

    secrets: Mapping[Path_, str]
    config: Mapping[Path_, str]

    @property
    def variables(self) -> dict[str, str]:
        """The same as dlt finds it in the environment."""
        return {"__".join(path).upper(): value for path, value in (*self.secrets.items(), *self.config.items())}


def first_run(program: str, words: Sequence[str], check: Check) -> int:
    """Runs `init`, and answers the exit code, which is that of the check where somebody gives up.

    Args:
        program: How the command was called.
        words: The command line behind `init`.
        check: Runs the command with some words.
    """
    parser = Arguments(prog=f"{program} {INIT}", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--account", metavar="NAME", default="", help="of one of several accounts")
    try:
        started()
        options: argparse.Namespace = parser.parse_args(list(words))
        account = given_name(options.account) if options.account else ""
        place = _Place(account, Path(settings_folder()))
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            print(place.instructions(program))
            raise ConfigurationError("init asks on a terminal, and there is none; nothing was written.")
        place.refuse_known()
        return _asked(place, program, check)
    except (KeyboardInterrupt, EOFError):
        print("\nStopped; nothing was written.", file=sys.stderr)
        return FAILURE
    except Exception as error:
        sentence, code = explain(error)
        print(sentence, file=sys.stderr)
        return code


def _asked(place: "_Place", program: str, check: Check) -> int:
    questions = _Questions()
    while True:
        settings = place.settings(*questions.answers())
        code = _tried(settings, place, check)
        if code == 0:
            break
        if input("Try again? [Y/n] ").strip().lower() in ("n", "no"):
            print("Nothing was written.")
            return code
    for file, values in ((SECRETS, settings.secrets), (CONFIG, settings.config)):
        if values:
            _write(place.folder / file, values)
            print(f"Written: {place.folder / file}")
    print(f"\nTo load everything now:\n\n{place.command(program)}\n")
    print(f"To load what has changed, every hour (crontab -e):\n\n{place.cron_line(program)}")
    return 0


def _tried(settings: Settings, place: "_Place", check: Check) -> int:
    """The exit code of a check with settings that are not written yet."""
    before = dict(os.environ)
    os.environ.update(settings.variables)
    try:
        return check(["--check", *place.words])
    finally:
        for name in settings.variables:
            os.environ.pop(name)
        os.environ.update(before)


class _Place:
    """Where settings stand, and how the command is called there."""

    def __init__(self, account: str, folder: Path) -> None:
        self.account, self.folder = account, folder
        self.words = ["--account", account] if account else []
        self.source: Path_ = ("sources", SECTION, *([account] if account else []))
        self.pipeline = f"{DEFAULT_DATASET}_{account}" if account else PIPELINE_NAME

    def of_source(self, name: str) -> Path_:
        """Where a setting of the source stands."""
        return (*self.source, name)

    def settings(
        self, credentials: Mapping[str, str], region: str, destination: Mapping[Path_, str], kind: str, start_date: str
    ) -> Settings:
        """What answers come to; what is as it would be without them is left out."""
        config: dict[Path_, str] = {}
        if region != DEFAULT_REGION:
            config[self.of_source("region")] = region
        if start_date:
            config[self.of_source("start_date")] = start_date
        if kind != DEFAULT_DESTINATION:
            config[("pipelines", self.pipeline, "destination_type")] = kind
        secrets = {self.of_source(name): value for name, value in credentials.items()}
        return Settings({**secrets, **destination}, config)

    def refuse_known(self) -> None:
        """Raises ConfigurationError where there are credentials already, so that none are lost or overridden."""
        names = [name for pair in PAIRS for name in pair]
        for name in names:
            if os.environ.get(variable := "__".join(self.of_source(name)).upper()):
                raise ConfigurationError(
                    f"The environment has {variable}, which goes before what init would write; unset it."
                )
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigurationError(f"{self.folder} is no folder; move it away.")
        for file in (self.folder / SECRETS, self.folder / CONFIG):
            section: Any = _document(file).unwrap()
            for each in self.source:
                section = section.get(each, {}) if isinstance(section, dict) else {}
            if any(section.get(name) for name in names):
                raise ConfigurationError(
                    f"{file} has credentials under [{'.'.join(self.source)}]; edit them there, or name "
                    "another account with --account."
                )
            # Before anything is asked: whether answers could be written.
            _edited(file, {self.of_source("client_id"): "", self.of_source("region"): ""})

    def command(self, program: str) -> str:
        """How to load."""
        called = [program]
        if program.endswith(".py"):
            called = [sys.executable, str(Path(sys.argv[0]).absolute())]
        elif program.startswith("python"):
            called = [sys.executable, "-m", "wootric_pipeline"]
        elif Path(sys.argv[0]).is_file():
            called = [str(Path(sys.argv[0]).absolute())]
        return f"cd {shlex.quote(str(self.folder.parent))} && {shlex.join([*called, *self.words])}"

    def cron_line(self, program: str) -> str:
        """For each hour; at the minute of now, so that not all the world comes at once."""
        # cron takes a percent sign for the end of the line.
        command = self.command(program).replace("%", r"\%")
        return f"{datetime.now(timezone.utc).minute} * * * *  {command} --log-file wootric.log"

    def instructions(self, program: str) -> str:
        """What to write where, for whoever cannot be asked."""
        source, pipeline = ".".join(self.source), f"pipelines.{self.pipeline}"
        return f"""Into {self.folder / SECRETS}, which only you may read (chmod 600):

[{source}]
client_id = "your-client-id"
client_secret = "your-client-secret"

Into {self.folder / CONFIG}, what is other than this:

[{source}]
# {", ".join(HOSTS)}; {DEFAULT_REGION} unless it is set:
# region = "eu"
# The first day to load; {ALL_HISTORY} unless it is set:
# start_date = "2024-01-31"

[{pipeline}]
# By dlt's name for it; {DEFAULT_DESTINATION} unless it is set:
# destination_type = "postgres"

To try it, and to load everything:

{self.command(program)} --check
{self.command(program)}

To load what has changed, every hour (crontab -e):

{self.cron_line(program)}
"""


class _Questions:
    """What is asked, and was answered: an answer that is left out is the former one, once there has been one."""

    def __init__(self) -> None:
        self._answered: dict[str, str] = {}

    def answers(self) -> tuple[dict[str, str], str, dict[Path_, str], str, str]:
        """What `_Place.settings` takes."""
        print("In Wootric, Settings > API shows a client id and a client secret. What is secret is not shown here.")
        credentials = self._credentials()
        region = self._until(f"Region ({', '.join(HOSTS)})", _region, DEFAULT_REGION)
        kind = self._until("Destination, by dlt's name for it, such as postgres", str.strip, DEFAULT_DESTINATION)
        start_date = self._until("First day to load, such as 2024-01-31", _first_day, ALL_HISTORY)
        destination = dict(self._destination(kind))
        return credentials, region, destination, kind, "" if start_date == ALL_HISTORY else start_date

    def _credentials(self) -> dict[str, str]:
        if client_id := self._secret("Client id", "to sign in as a person"):
            return {"client_id": client_id, "client_secret": self._secret("Client secret")}
        credentials = {"username": self._secret("E-mail address"), "password": self._secret("Password")}
        if token := self._secret("Account token", "unless the person has several accounts"):
            credentials["account_token"] = token
        return credentials

    def _destination(self, kind: str) -> Iterator[tuple[Path_, str]]:
        """Credentials of a destination, unless they are set already."""
        if kind == DEFAULT_DESTINATION:
            return
        if kind == "filesystem":
            yield ("destination", kind, "bucket_url"), self._until("Bucket, such as s3://surveys", str.strip, "")
            for name in ("aws_access_key_id", "aws_secret_access_key"):
                if value := self._secret(name, SET_ALREADY):
                    yield ("destination", kind, "credentials", name), value
        else:
            example = f", such as {ADDRESSES[kind]}" if kind in ADDRESSES else ""
            if value := self._secret(f"Its credentials as an address{example}", SET_ALREADY):
                yield ("destination", kind, "credentials"), value

    def _secret(self, question: str, without: str = "") -> str:
        """An answer that is not shown.

        Args:
            question: What is asked.
            without: When it is left out; empty where it is needed.
        """
        former = self._answered.get(question, "")
        hints = ["leave it out for the same as before"] if former else []
        if without:
            hints.append(f"{NONE if former else 'leave it out'} {without}")
        shown = f"{question} ({'; '.join(hints)}): " if hints else f"{question}: "
        while not (answer := getpass(shown).strip() or former or (NONE if without else "")):
            pass
        self._answered[question] = "" if without and answer == NONE else answer
        return self._answered[question]

    def _until(self, question: str, read: Callable[[str], str], default: str) -> str:
        """An answer that can be; a mistake is told, and asked again."""
        former = self._answered.get(question, default)
        shown = f"{question} [{former}]: " if former else f"{question}: "
        while True:
            try:
                self._answered[question] = read(input(shown).strip() or former)
                return self._answered[question]
            except ConfigurationError as mistake:
                print(mistake)


def _region(answer: str) -> str:
    region = answer.strip().lower()
    if region not in HOSTS:
        raise ConfigurationError(f"region must be one of {', '.join(HOSTS)}.")
    return region


def _first_day(answer: str) -> str:
    if (day := answer.strip()) != ALL_HISTORY:
        moment("start_date", day)
    return day


def _document(file: Path) -> tomlkit.TOMLDocument:
    if not file.exists():
        return tomlkit.document()
    if not file.is_file():
        raise ConfigurationError(f"{file} is no file; move it away.")
    with file.open(encoding="utf-8", newline="") as opened:
        return tomlkit.parse(opened.read())


def _edited(file: Path, values: Mapping[Path_, str]) -> str:
    """The text of a file with settings put into it; its other settings and comments stay.

    Raises:
        ConfigurationError: Others would come to stand elsewhere.
    """
    document = _document(file)
    wanted = deepcopy(document.unwrap())
    for path, value in values.items():
        table: Any = document
        plain = wanted
        for depth, section in enumerate(path[:-1], 1):
            if section not in table:
                table[section] = tomlkit.table(is_super_table=depth < len(path) - 1)
            table, plain = table[section], plain.setdefault(section, {})
        table[path[-1]] = plain[path[-1]] = value
    text = tomlkit.dumps(document)
    if not _means(text, wanted):
        # tomlkit puts a table among keys with dots, and those behind it would be its own.
        raise ConfigurationError(
            f"init cannot add to {file}, which has keys with dots, without changing what these mean; give it sections "
            "in brackets instead, or put the settings there by hand."
        )
    return text


def _means(text: str, wanted: Mapping[str, Any]) -> bool:
    with suppress(ParseError):
        return tomlkit.parse(text).unwrap() == wanted
    return False


def _write(file: Path, values: Mapping[Path_, str]) -> None:
    """Puts settings into a file, also where a link leads to it; only its owner may read it."""
    text = _edited(file, values)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file = file.resolve()
    part = file.with_suffix(".part")
    with suppress(FileNotFoundError):
        part.unlink()
    opener = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
    with open(opener, "w", encoding="utf-8", newline="") as opened:
        opened.write(text)
    part.replace(file)
