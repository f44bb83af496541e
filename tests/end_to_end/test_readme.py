"""README and the other documents are true: their settings are taken, and their first page and programs run.

Examples that need a server, or packages of other destinations than DuckDB, are run in `test_files.py`, queries and
operations in `test_documented_runs.py`. What the documents say in words is held against the code by
`test_documents.py`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import dlt
import pytest
import tomlkit
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import BaseConfiguration
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.specs.runtime_configuration import RuntimeConfiguration
from dlt.common.destination import Destination
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.schema.utils import new_table
from dlt.common.storages import LoadStorageConfiguration
from dlt.pipeline.configuration import PipelineConfiguration

from tests.conftest import NOON, PROJECT, Serve
from tests.documents import COMMAND, TEXT, block, blocks, section, shell_lines, table, with_comments, words
from tests.script import TABLE_NAMES, Project, expected, project_for
from wootric_pipeline.destinations.layout import Layout, hints, kind_of, layout
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, DemoAccount
from wootric_pipeline.tables import RESPONSES

FIRST_RUNS = block("sh", "--check  #")
OWN_PROGRAM = block("python", "import wootric_source")
DLT_INIT = block("sh", "dlt init")
SECRETS = block("toml", 'client_id = "your-client-id"')


class Snippet(NamedTuple):
    """What a block says of a destination."""

    destination: str
    settings: Mapping[str, Any]
    text: str


def destination_snippets() -> list[Any]:
    """Each `[destination.NAME]` in the blocks of all documents, as a parameter of a test."""
    # Azure's commented line is there instead of others, not beside them.
    texts = [each.text if "azure" in each.text else with_comments(each.text) for each in blocks("toml")]
    found = [
        Snippet(name, settings, text)
        for text in texts
        for name, settings in tomlkit.parse(text).unwrap().get("destination", {}).items()
    ]
    return [pytest.param(each, id=f"{index}-{each.destination}") for index, each in enumerate(found)]


@pytest.fixture
def settings_file(tmp_path: Path) -> Iterator[Path]:
    """The secrets.toml of a project in the working folder; dlt forgets what was in it with the test."""
    path = tmp_path / ".dlt/secrets.toml"
    path.parent.mkdir()
    yield path
    path.unlink(missing_ok=True)
    Container()[PluggableRunContext].reload_providers()


def put_in_force(text: str, settings_file: Path) -> None:
    """Writes settings, and has dlt read them."""
    settings_file.write_text(text, encoding="utf-8")
    Container()[PluggableRunContext].reload_providers()


def factory_of(destination: str) -> Destination[Any, Any]:
    """What dlt makes a destination with; its package may not be installed with the fast tests."""
    if destination == "sqlalchemy":
        pytest.importorskip("sqlalchemy")
    factory = Destination.from_reference(destination)
    assert factory is not None
    return factory


def resolved(destination: str) -> BaseConfiguration:
    """The configuration dlt makes of the settings in force; nothing is connected to."""
    factory = factory_of(destination)
    configuration: BaseConfiguration = factory.configuration(factory.spec()._bind_dataset_name("wootric"))
    assert configuration.is_resolved()
    return configuration


def ignored(given: Mapping[str, Any], taken: BaseConfiguration) -> list[str]:
    """What a snippet says and the configuration made of it does not hold."""
    names: list[str] = []
    for key, value in given.items():
        held = taken.get(key)
        if not isinstance(held, BaseConfiguration):
            names += [] if held == value else [key]
        elif isinstance(value, Mapping):
            names += [f"{key}.{name}" for name in ignored(value, held)]
        else:
            names += [f"{key}: {part}" for part in address(value) if part not in values_of(held)]
    return names


def address(text: str) -> list[str]:
    """What an address, or the name of a file, is made of."""
    parts = urlsplit(text)
    named = (parts.username, parts.password, parts.hostname, str(parts.port or ""), parts.path.strip("/"))
    return [each for each in named if each] + [value for _, value in parse_qsl(parts.query)]


def values_of(held: BaseConfiguration) -> list[str]:
    """What dlt took of an address; it keeps as the query what it does not know, too."""
    known = {key: str(value) for key, value in held.items() if key != "query"}
    # The file's folder is dlt's to choose.
    return [Path(value).name if key == "database" else value for key, value in known.items()]


@pytest.mark.parametrize("snippet", destination_snippets())
def test_dlt_takes_all_that_a_snippet_says(snippet: Snippet, settings_file: Path) -> None:
    put_in_force(snippet.text, settings_file)
    assert ignored(snippet.settings, resolved(snippet.destination)) == []


@pytest.mark.parametrize("url", re.findall(r"(?:az|abfss|gs)://[\w@.-]+", section("docs/files.md", "Settings")))
def test_dlt_knows_the_addresses_of_stores(url: str, settings_file: Path) -> None:
    credentials, named = ("azure_", "Azure") if url.startswith("a") else ("private_key", "Gcp")
    text = next(each.text for each in blocks("toml") if credentials in each.text and "bucket_url" in each.text)
    put_in_force(re.sub(r'bucket_url = "[^"]*"', f'bucket_url = "{url}"', text), settings_file)
    configuration = resolved("filesystem")
    assert configuration["bucket_url"] == url
    assert type(configuration["credentials"]).__name__.startswith(named)


def test_athena_stages_on_s3(settings_file: Path) -> None:
    put_in_force(block("toml", "[destination.athena]") + block("toml", '"s3://your-bucket"'), settings_file)
    pipeline = dlt.pipeline("wootric_pipeline", dataset_name="wootric")
    assert kind_of(pipeline).endswith("athena")
    assert pipeline.staging is not None
    assert pipeline.staging.destination_type.endswith("filesystem")
    assert resolved("filesystem")["bucket_url"] == "s3://your-bucket"


def inline_settings() -> list[tuple[str, str, str]]:
    """Section, name and value of each setting named in the text as `[section]` `name = value`."""
    return re.findall(r"`\[([\w.]+)\]`\s+`(\w+) = ([^`]+)`", TEXT)


def test_where_to_load_to_is_read_from_the_files_that_are_named(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=3, responses=5, declines=0)
    project = project_for(serve(account), tmp_path / "project", tables="responses")
    document = "docs/operations.md"
    project.write(".dlt/config.toml", block("toml", 'destination_type = "duckdb"', document))
    project.write(".dlt/secrets.toml", block("toml", "[destination.duckdb]", document))
    assert project.run().code == 0
    assert project.ask("SELECT count(*) FROM wootric.responses", "surveys.duckdb") == [(5,)]


def test_sections_named_in_the_text_have_the_settings() -> None:
    sections: dict[str, Any] = {
        "pipelines.wootric_pipeline": PipelineConfiguration,
        "runtime": RuntimeConfiguration,
        "load": LoadStorageConfiguration,
        "destination.duckdb": dlt.destinations.duckdb().spec,
        "destination.snowflake": dlt.destinations.snowflake().spec,
        "destination.databricks": dlt.destinations.databricks().spec,
    }
    blocks_of_pipelines = [tomlkit.parse(each.text).unwrap().get("pipelines", {}) for each in blocks("toml")]
    in_blocks = [
        (f"pipelines.{name}", key) for each in blocks_of_pipelines for name, keys in each.items() for key in keys
    ]
    named = [(name, key) for name, key, _ in inline_settings()] + in_blocks
    assert {name for name, _ in named} == set(sections)
    assert [(name, key) for name, key in named if key not in sections[name].get_resolvable_fields()] == []


class Row(NamedTuple):
    """A row of the table of destinations."""

    destination: str
    extra: str
    load_files: str
    merge: str
    tags: str
    tried: str

    @property
    def kind(self) -> str:
        return "filesystem" if self.destination.startswith("the same") else self.destination.split("`")[1]

    @property
    def layout(self) -> Layout:
        files = re.search(r'files = "(\w+)"', self.destination)
        return layout(self.kind, files[1] if files else "delta")


def destination_rows() -> list[Row]:
    return [Row(*cells) for cells in table("docs/destinations.md", "All of them")]


def merge_strategy(row: Row) -> str | None:
    """The one dlt takes for the hints it is given; None where it appends."""
    disposition = hints(RESPONSES, row.layout)["write_disposition"]
    if disposition == "append":
        return None
    table = new_table(RESPONSES.name, write_disposition="merge", table_format=row.layout.table_format or "native")
    strategy = disposition.get("strategy") if isinstance(disposition, Mapping) else None
    if strategy:
        table["x-merge-strategy"] = strategy  # type: ignore[typeddict-unknown-key]
    return resolve_merge_strategy({RESPONSES.name: table}, table, factory_of(row.kind).capabilities())


@pytest.mark.parametrize(
    "row", [row for row in destination_rows() if "as on S3" not in row.merge], ids=lambda row: row[0]
)
def test_the_table_of_destinations_says_how_they_are_loaded(row: Row) -> None:
    capabilities = factory_of(row.kind).capabilities()
    preferred = (capabilities.preferred_loader_file_format, capabilities.preferred_staging_file_format)
    assert row.load_files == next(filter(None, (row.layout.file_format, *preferred)))
    assert row.merge == (merge_strategy(row) or "**none: each version of a row is kept**")
    where = "JSON in the row" if row.layout.lists_in_rows else "child table"
    assert row.tags == (f"{where}, by version" if row.layout.appends else where)


def extras() -> set[str]:
    project = tomlkit.parse((PROJECT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    return set(project["optional-dependencies"])


def test_the_table_of_destinations_names_the_extras_and_no_others() -> None:
    named = {
        name for row in destination_rows() for names in re.findall(r"`([^`]+)`", row.extra) for name in names.split(",")
    }
    assert named == extras() - {"browser", "destinations", "dev"}


def small_account() -> DemoAccount:
    return DemoAccount(NOON, end_users=30, responses=90, declines=20)


def sign_in(text: str) -> str:
    """Settings with the sandbox's id and secret, whatever they had there."""
    for name, value in (("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)):
        text, count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', text, flags=re.MULTILINE)
        assert count == 1
    return text


@pytest.mark.slow
@pytest.mark.parametrize("secrets", [SECRETS, (PROJECT / ".dlt/secrets.toml.example").read_text(encoding="utf-8")])
def test_an_account_is_loaded_as_the_first_page_says(secrets: str, serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = Project(tmp_path, base_url=serve(account).url)
    project.write(".dlt/secrets.toml", sign_in(secrets))
    check, load = (words(line) for line in shell_lines(FIRST_RUNS))
    assert (check, load) == ([COMMAND, "--check"], [COMMAND])
    assert (project.run(*check[1:]).code, project.loaded()) == (0, {})
    assert project.run_anew(*load[1:]).code == 0
    assert {table: project.held(table) for table in TABLE_NAMES} == {
        table: expected(account, table) for table in TABLE_NAMES
    }


def test_an_account_is_loaded_by_the_environment(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = Project(tmp_path, base_url=serve(account).url)
    values = {"CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET, "USERNAME": USERNAME, "PASSWORD": PASSWORD}
    named = {name: values[name.split("__")[2]] for name in re.findall(r"`(SOURCES__WOOTRIC__CLIENT\w+)`", TEXT)}
    assert len(named) == 2
    assert project.run(**named).code == 0
    assert project.held("responses") == expected(account, "responses")


def test_a_person_signs_in_as_shown(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = Project(tmp_path, base_url=serve(account).url)
    text = block("toml", "username = ")
    project.write(".dlt/secrets.toml", text.replace("you@example.com", USERNAME).replace("your-password", PASSWORD))
    assert project.run().code == 0
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_program_of_ones_own_loads_the_account(serve: Serve, tmp_path: Path) -> None:
    account = small_account()
    project = project_for(serve(account), tmp_path)
    project.write("load.py", OWN_PROGRAM)
    outcome = project.python("load.py", RUNTIME__DLTHUB_TELEMETRY="false")
    assert outcome.code == 0, outcome.stderr
    for table_name in TABLE_NAMES:
        assert project.held(table_name) == expected(account, table_name)


def test_packages_are_installed_as_pinned() -> None:
    (wanted,) = re.findall(r'^pip install "(.*)"$', "\n".join(shell_lines(DLT_INIT)), re.MULTILINE)
    assert wanted in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert set(re.findall(r'pip install "\.\[(\w+)\]"', TEXT)) <= extras()
