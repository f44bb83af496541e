"""What the documents say is so: links, commands, options, settings, columns, messages; and each block has its test."""

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests import columns
from tests.conftest import PROJECT
from tests.documents import (
    AWAITED,
    BLOCKS,
    COMMAND,
    DOCUMENTS,
    README,
    TESTED,
    TEXT,
    block,
    blocks,
    named_in_code,
    shell_lines,
    table,
    with_comments,
    words,
)
from tests.end_to_end.test_readme import extras, inline_settings
from tests.script import Project
from wootric_pipeline.api.rate_limit import RATE_WAIT_SECONDS_MAX
from wootric_pipeline.api.transport import BROKEN_ANSWERS_MAX, RETRY_SECONDS_MAX
from wootric_pipeline.api.wire import ANSWER_BYTES_MAX, ANSWER_SECONDS_MAX
from wootric_pipeline.command.loading import CHECKPOINT_ROWS
from wootric_pipeline.descriptions import TABLE_DESCRIPTIONS
from wootric_pipeline.reading.listing import PAGE_ROWS, PAGES_MAX
from wootric_pipeline.reading.order import DISTINCT_SECONDS_PROVING, WINDOW_PAGES
from wootric_pipeline.reading.ties import PASSES_MAX
from wootric_pipeline.records import NESTING_MAX
from wootric_pipeline.tables import DELETED_AT, TABLES, TIMESTAMP

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("documents")

README_LINES_MAX = 150
OPTIONS = block("", "--full-refresh")
WINGS = block("", "wootric_pipeline/\n")
CRON_LINES = [line for each in blocks("") for line in each.text.splitlines() if re.match(r"\d+ \*", line)]
PROGRAMS = (f"{COMMAND} -", ".venv/bin/", "pip install ", "python -m ", "uv tool install ")
IN_THE_TEXT = [code for code in named_in_code(TEXT) if code.startswith(PROGRAMS)]
IN_BLOCKS = [line for each in blocks("sh", "powershell") for line in shell_lines(each.text)]
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomlkit.parse((PROJECT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()
SETTINGS_FILE = (PROJECT / ".dlt/config.toml").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= README_LINES_MAX


def test_each_block_is_taken_by_a_test() -> None:
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        if "documents import" in path.read_text(encoding="utf-8"):
            importlib.import_module(path.relative_to(PROJECT).with_suffix("").as_posix().replace("/", "."))
    assert [(each.document, each.line, each.language) for each in BLOCKS if each not in TESTED] == []


def test_blocks_are_closed() -> None:
    for document, text in DOCUMENTS.items():
        assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len([b for b in BLOCKS if b.document == document])


def anchors(text: str) -> set[str]:
    """The headings of a document as links name them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(document: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (PROJECT / document).parent / path if path else PROJECT / document
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", DOCUMENTS[document]) if not link.startswith("http")]
    assert [link for link in links if not leads_somewhere(document, link)] == []


def test_each_document_is_reached_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)}
    assert set(DOCUMENTS) - {"README.md"} <= linked


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The options of the command, and what it calls their values."""
    helped = Project(tmp_path_factory.mktemp("help")).run("--help").stdout.split("options:")[1]
    found = re.findall(r"^  (?:-h, )?(--[a-z-]+)(?: ([A-Z][\w.,]*|{.*}|\[[a-z]+\]))?", helped, re.MULTILINE)
    return {name: value for name, value in found if name != "--help"}


def test_the_command_has_the_documented_options(offered: dict[str, str]) -> None:
    documented = re.findall(r"^  (--[a-z-]+)(?: ([A-Z][\w.,]*|\[[a-z]+\]))?  +(.*)$", OPTIONS, re.MULTILINE)
    choices = offered["--progress"].strip("{}").split(",")
    assert set(re.split(r", | or ", next(text for name, _, text in documented if name == "--progress"))) == set(choices)
    here = {name: value for name, value, _ in documented if name not in AWAITED}
    assert here == {**offered, "--progress": "NAME"}


def is_here(name: str, options: dict[str, str]) -> bool:
    """Whether something that was awaited has come."""
    if name.startswith("--"):
        return name in options
    if name.startswith("make "):
        return name.removeprefix("make ") in targets()
    if name == COMMAND:
        return COMMAND in PYPROJECT["project"].get("scripts", {})
    path = PROJECT / name
    return path.is_dir() if name.endswith("/") else path.exists()


def test_what_is_awaited_has_not_come(offered: dict[str, str]) -> None:
    assert {name for name in AWAITED if is_here(name, offered)} == set()


def targets() -> set[str]:
    found = re.findall(r"^([\w -]+):", MAKEFILE.replace(": benchmark-%", ""), re.MULTILINE)
    return {name for names in found for name in names.split()}


def test_what_make_is_asked_for_exists() -> None:
    named = {f"make {name}" for name in re.findall(r"(?:`|^)make ([\w-]+)", TEXT, re.MULTILINE)}
    assert {name for name in named - AWAITED if name.removeprefix("make ") not in targets()} == set()


FOR_LOOKING = ("pandas", "marimo", "ibis-framework[duckdb]")
"""What nothing here needs, but data frames and dlt's page: tried by hand."""


def is_installable(requirement: str) -> bool:
    """Whether there is what pip or uv is asked to install, with the extras."""
    found = re.fullmatch(r"(?:wootric-pipeline|\.)\[([\w,]+)\](?: @ git\+REPOSITORY)?", requirement)
    if found:
        return set(found[1].split(",")) <= extras()
    known = requirement in (".", "git+REPOSITORY") or requirement in FOR_LOOKING
    return known or requirement.replace("dlt[hub]", "dlt[duckdb]") in pinned()


def pinned() -> list[str]:
    return (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()


def check_install(arguments: Sequence[str]) -> None:
    options = {"--force-reinstall", "--reinstall"}
    wanted = [word for word in arguments if word not in options]
    if "-r" in wanted:
        at = wanted.index("-r")
        assert (PROJECT / wanted[at + 1]).exists()
        del wanted[at : at + 2]
    assert [each for each in wanted if not is_installable(each)] == []


def check_python(arguments: Sequence[str]) -> None:
    if arguments[0] != "-m":
        assert (PROJECT / arguments[0]).exists()
        return
    module, *others = arguments[1:]
    if module == "venv":
        assert others == [".venv"]
        return
    assert importlib.util.find_spec(module) is not None
    if module == "pytest":
        check_pytest(others)
    elif module == "wootric_pipeline.sandbox":
        helped = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
        assert {word for word in others if word.startswith("--")} <= set(re.findall(r"--[\w-]+", helped.stdout))


def check_pytest(arguments: Sequence[str]) -> None:
    (path,) = (word for word in arguments if "/" in word)
    assert path in AWAITED or (PROJECT / path).exists()
    if "-k" in arguments:
        assert arguments[arguments.index("-k") + 1] in (PROJECT / path).read_text(encoding="utf-8")


def check_uv(arguments: Sequence[str]) -> None:
    if list(arguments) != ["tool", "upgrade", PYPROJECT["project"]["name"]]:
        assert arguments[1] == "install"
        assert arguments[0] in ("pip", "tool")
        check_install(arguments[2:])


def check_pip(arguments: Sequence[str]) -> None:
    assert arguments[0] == "install"
    check_install(arguments[1:])


def check_git(arguments: Sequence[str]) -> None:
    assert list(arguments) in (["pull"], ["clone", "REPOSITORY", "wootric_pipeline"])


def check_dlt(arguments: Sequence[str]) -> None:
    """`dlt init` is run by `test_init.py`."""
    assert arguments[0] == "init"
    assert (PROJECT / "sources" / arguments[1]).is_dir()


def check_export(arguments: Sequence[str]) -> None:
    name = arguments[0].partition("=")[0]
    assert name.startswith(("DESTINATION__", "SOURCES__WOOTRIC__"))


def check_cd(arguments: Sequence[str]) -> None:
    """Into what is cloned just before, or a folder of the reader's."""
    assert len(arguments) == 1


def check_make(arguments: Sequence[str]) -> None:
    assert {name for name in arguments if f"make {name}" not in AWAITED} <= targets()


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "cd": check_cd,
    "dlt": check_dlt,
    "export": check_export,
    "git": check_git,
    "make": check_make,
    "pip": check_pip,
    "py": check_python,
    "python": check_python,
    "python3": check_python,
    "uv": check_uv,
}


def check_command(arguments: Sequence[str], offered: dict[str, str]) -> None:
    """Each word is an option that there is, or the value of one."""
    # A word in place of all options.
    waiting = [word for word in arguments if word != "init"]
    while waiting:
        option = waiting.pop(0)
        assert option in offered or option in AWAITED
        value = offered.get(option, "")
        if value.startswith("["):
            waiting = waiting[waiting[:1] == [value.strip("[]")] :]
        elif value or option == "--log-file":
            waiting.pop(0)


@pytest.mark.parametrize("line", [*IN_BLOCKS, *IN_THE_TEXT])
def test_each_line_for_the_shell_could_be_run(line: str, offered: dict[str, str]) -> None:
    name, *arguments = words(line)
    if name == COMMAND:
        check_command(arguments, offered)
    else:
        CHECKS[name](arguments)


@pytest.mark.parametrize("line", CRON_LINES)
def test_each_line_for_cron_could_be_run(line: str, offered: dict[str, str]) -> None:
    minute, hour, day, month, weekday, command = line.split(maxsplit=5)
    assert int(minute) in range(60)
    assert (hour, day, month, weekday) == ("*", "*", "*", "*")
    change, run = command.split(" && ")
    assert (words(change)[0], words(run)[0]) == ("cd", COMMAND)
    check_command(words(run)[1:], offered)


def test_options_named_in_the_text_exist(offered: dict[str, str]) -> None:
    named = {option for code in named_in_code(TEXT) for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", code)}
    of_benchmarks = {"--grow", "--only", "--rows", "--rows-a-day", "--scattered", "--sizes"}
    of_schedulers = {"--entrypoint", "--env-file", "--now"}
    others = {"--help", "--latency-ms", "--profile", "--runs", "--strict", "--time-zone"}
    assert {"--check", "--wait", "--json"} <= named
    assert named - set(offered) - AWAITED - others - of_benchmarks - of_schedulers == set()


def test_paths_named_in_the_text_exist() -> None:
    folders = ("tests", "deploy", "docs", "wootric_pipeline", "benchmarks", "sources")
    named = {code for code in named_in_code(TEXT) if re.fullmatch(rf"(?:{'|'.join(folders)})/[\w./]+", code)}
    assert "wootric_pipeline/tables.py" in named
    assert {path for path in named - AWAITED if not (PROJECT / path).exists()} == set()


def test_the_wings_are_those_of_the_package() -> None:
    lines = [line.split()[0] for line in WINGS.splitlines() if not line.startswith("  ")]
    named = {f"wootric_pipeline/{line.split()[0]}" for line in WINGS.splitlines() if line.startswith("  ")}
    assert [path for path in lines if not (PROJECT / path).exists()] == []
    assert {path for path in named - AWAITED if not (PROJECT / path).exists()} == set()
    if "wootric_pipeline/api/" not in AWAITED:
        kept = {f"wootric_pipeline/{each.name}{'/' * each.is_dir()}" for each in (PROJECT / lines[1]).iterdir()}
        assert named == {path for path in kept if "__pycache__" not in path}


def settings_of(text: str) -> dict[str, Any]:
    """The settings of the source in a file, with those that are commented out."""
    found: dict[str, Any] = tomlkit.parse(with_comments(text)).unwrap()["sources"]["wootric"]
    return found


def test_settings_named_in_the_text_are_explained_in_the_settings_file() -> None:
    settings = set(settings_of(SETTINGS_FILE))
    elsewhere = {name for _, name, _ in inline_settings()} | {"endpoint_url", "destination_type"}
    named = {name for code in named_in_code(TEXT) for name in re.findall(r"^(\w+) = .+", code)} - elsewhere
    # Those without a value: named as settings are, and no column or table is.
    named |= set(re.findall(r"`(\w+_(?:seconds|days|minutes|columns))`", TEXT)) - {"rate_limit_wait_seconds"}
    assert {"files", "properties", "lookback_seconds", "exclude_columns"} <= named
    assert named - settings == set()


def test_the_table_of_settings_has_all_and_their_defaults() -> None:
    secrets = settings_of((PROJECT / ".dlt/secrets.toml.example").read_text(encoding="utf-8"))
    settings = settings_of(SETTINGS_FILE)
    rows = table("docs/operations.md", "Settings")
    documented = {name: default.strip("`") for names, default, _ in rows for name in re.findall(r"\w+", names)}
    assert set(documented) == set(secrets) | set(settings)
    in_force = tomlkit.parse(SETTINGS_FILE).unwrap()["sources"]["wootric"]
    words_for_none = {"all history", "none", "-"}
    assert {name: value for name, value in documented.items() if value not in words_for_none} == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in in_force.items()
    }


def test_settings_of_the_source_in_blocks_are_known() -> None:
    known = set(settings_of(SETTINGS_FILE))
    known |= set(settings_of((PROJECT / ".dlt/secrets.toml.example").read_text(encoding="utf-8")))
    for each in blocks("toml"):
        parsed = tomlkit.parse(with_comments(each.text) if "azure" not in each.text else each.text).unwrap()
        assert set(parsed) <= {"sources", "destination", "pipelines"}, each
        assert set(parsed.get("sources", {})) <= {"wootric"}, each
        of_source = parsed.get("sources", {}).get("wootric", {})
        # Tables in it are settings of accounts.
        for settings in (
            of_source,
            *(of for name, of in of_source.items() if isinstance(of, dict) and name not in known),
        ):
            assert {name for name, value in settings.items() if not isinstance(value, dict)} <= known, each


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_explained_with_their_types(name: str) -> None:
    documented = {column.strip("`"): data_type for column, data_type, *_ in table("docs/columns.md", name)}
    declared = {**TABLES[name].columns, **TABLES[name].flattened, DELETED_AT: TIMESTAMP}
    free = {f"{path}__...": "by value" for path in TABLES[name].properties}
    assert documented == {**declared, **free}


def test_columns_are_explained_as_in_the_schema() -> None:
    document = DOCUMENTS["docs/columns.md"]
    assert document == columns.with_tables(document)
    of_marts = DOCUMENTS["docs/insight.md"]
    assert of_marts == columns.with_models(of_marts)
    begins = [f"## {name} {TABLE_DESCRIPTIONS[name]}" for name in columns.DOCUMENTED]
    assert [begin for begin in begins if begin not in " ".join(document.split())] == []


def test_meanings_have_a_source() -> None:
    known = {"D", "R", "S", "-", "dlt", "own"}
    for name in columns.DOCUMENTED:
        rows = table("docs/columns.md", name)
        assert [row for row in rows if len(row) != 4 or not row[2] or not set(row[3].split(", ")) <= known] == []


def sentences_of(path: Path) -> str:
    """The texts in a file of Python, one behind the other, with a mark where something is filled in."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.FormattedValue):
            found.append("\N{OBJECT REPLACEMENT CHARACTER}")
        else:
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return "".join(found)


def messages() -> list[str]:
    return re.findall(r'^### "(.*)"$', DOCUMENTS["docs/operations.md"], re.MULTILINE)


@pytest.fixture(scope="module")
def program_texts() -> list[str]:
    """All texts of the package and the script."""
    files = [*(PROJECT / "wootric_pipeline").rglob("*.py"), PROJECT / "wootric_pipeline.py"]
    return [sentences_of(path) for path in files]


@pytest.mark.parametrize("message", messages())
def test_messages_are_those_of_the_program(message: str, program_texts: list[str]) -> None:
    pattern = re.escape(message.replace(" wootric_pipeline is under way", " ... is under way"))
    pattern = pattern.replace(re.escape("..."), r"[^\n]{1,80}?")
    assert [text for text in program_texts if re.search(pattern, text)], pattern


def test_figures_named_in_the_text_are_those_of_the_code() -> None:
    guarantees, design = DOCUMENTS["docs/guarantees.md"], DOCUMENTS["docs/design.md"]
    operations = DOCUMENTS["docs/operations.md"]
    settings = tomlkit.parse(SETTINGS_FILE).unwrap()["sources"]["wootric"]
    assert f"**{2 * PAGE_ROWS * PAGES_MAX:,} rows and more created and updated" in guarantees
    assert f"up to {RETRY_SECONDS_MAX / 60:.0f} minutes a request" in guarantees
    assert ANSWER_SECONDS_MAX == 120
    assert "the time limit of the answer under way, two minutes" in guarantees
    assert f"more than {ANSWER_BYTES_MAX / 1e6:.0f} MB, unpacked" in guarantees
    assert BROKEN_ANSWERS_MAX == 5
    assert "are asked for five times in all" in " ".join(guarantees.split())
    assert f"nested more than {NESTING_MAX} deep" in DOCUMENTS["docs/columns.md"]
    assert f"asked again after {RATE_WAIT_SECONDS_MAX / 60:.0f} minutes" in guarantees
    assert settings["lookback_seconds"] == 300
    assert "begins five minutes before its cursor (`lookback_seconds`)" in guarantees
    assert f"of {CHECKPOINT_ROWS:,} rows of a table or a few minutes" in " ".join(operations.split())
    assert f"at most {PAGE_ROWS} rows and a query at most {PAGES_MAX} pages" in design
    assert f"windows of {WINDOW_PAGES} pages" in " ".join(design.split())
    assert DISTINCT_SECONDS_PROVING == 10
    assert "ten or more different seconds" in " ".join(design.split())
    assert PASSES_MAX == 8
    assert "after eight tries" in design


def test_five_destinations_of_the_readme_are_as_in_the_table_of_all() -> None:
    five = table("README.md", "Another destination")
    assert len(five) == 5
    all_of_them = [row[:5] for row in table("docs/destinations.md", "All of them")]
    assert [row for row in five if row not in all_of_them] == []
