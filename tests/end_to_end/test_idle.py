"""Rows that are read again and have not changed are not loaded again, and whatever may have changed is."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

import wootric_pipeline
from tests.conftest import NOON, Serve, access, row
from tests.end_to_end.test_going_on import disk_full, failing
from tests.end_to_end.test_losses import to
from tests.script import project_for
from tests.tables import expected, loaded
from tests.unit.test_hashing import KEY
from wootric_pipeline import wootric_source
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.reading import overlap
from wootric_pipeline.reading.reader import OVERLAP
from wootric_pipeline.sandbox import SECOND, Account, Refused, Sandbox

LOOKBACK_SECONDS = 300
ROUNDS = 6
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
FILE = Path("wootric_pipeline.duckdb")
Counts = tuple[int, int, bool]

LISTS = [
    pytest.param({}, id="updated"),
    pytest.param({"ignores_updated": frozenset({"responses"})}, id="created"),
]


@pytest.fixture
def account() -> Account:
    account = Account()
    account.fill("responses", [row(index, NOON + index * 60, text="as it is", tags=["a"]) for index in range(10)])
    return account


def run(sandbox: Sandbox, *, full_refresh: bool = False, **arguments: Any) -> Run:
    notes = Run(isolates_tables=True)
    load(to(), source_for(notes, **access(sandbox), **arguments), notes, ["responses"], full_refresh=full_refresh)
    return notes


def counts(notes: Run) -> Counts:
    """How many rows were loaded, how many had not changed, and whether that is all."""
    table = notes.table("responses")
    return table.rows, table.rows_unchanged, table.complete


def kept() -> dict[str, Any]:
    """What the state keeps of the overlap."""
    overlap: dict[str, Any] = to().state["sources"]["wootric"]["resources"]["responses"].get(OVERLAP, {})
    return overlap


def loads() -> int:
    with to().sql_client() as client:
        return int((client.execute_sql("SELECT count(*) FROM _dlt_loads") or [])[0][0])


def commented() -> str:
    """What the database says of a column."""
    with to().sql_client() as client:
        query = "SELECT comment FROM duckdb_columns() WHERE (table_name, column_name) = ('responses', 'text')"
        return str((client.execute_sql(query) or [])[0][0])


def assert_equal(account: Account) -> None:
    assert loaded(to(), "responses") == expected(account, "responses")


@pytest.mark.parametrize("behaviour", LISTS)
def test_where_nothing_has_changed_nothing_is_loaded(account: Account, serve: Serve, behaviour: dict[str, Any]) -> None:
    sandbox = serve(account, **behaviour)
    run(sandbox)
    before, made = FILE.read_bytes(), loads()
    for _ in range(2):
        assert counts(run(sandbox)) == (0, 6, True)
        assert FILE.read_bytes() == before
    assert (loads(), to().has_pending_data) == (made, False)
    account.put("responses", row(10, NOON + 660))
    assert counts(run(sandbox)) == (1, 6, True)
    assert counts(run(sandbox)) == (0, 5, True)
    assert loads() == made + 1
    assert_equal(account)


@pytest.mark.slow
def test_what_columns_mean_is_compared_where_rows_were_loaded_or_the_meaning_has_changed(
    account: Account, serve: Serve
) -> None:
    sandbox = serve(account)
    run(sandbox)
    meant = commented()
    with to().sql_client() as client:
        client.execute_sql("COMMENT ON COLUMN wootric.responses.text IS 'mine'")
    run(sandbox)
    assert commented() == "mine"
    account.change("responses", 9, NOON * SECOND + 700 * SECOND)
    run(sandbox)
    assert commented() == meant
    run(sandbox, hash_columns="end_users.email", hash_key=KEY)
    assert commented() == meant
    run(sandbox, hash_columns="responses.text", hash_key=KEY, full_refresh=True)
    assert commented() != meant


@pytest.mark.slow
def test_where_nothing_has_changed_no_arrow_is_imported(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project", tables="responses")
    assert project.run().code == 0
    tells = "import atexit, sys; atexit.register(lambda: print('pyarrow' in sys.modules))"
    idle = project.run_anew(prelude=tells)
    assert idle.stdout.splitlines()[-1] == "False"
    assert project.ask("SELECT count(*) FROM wootric.wootric_runs") == [(2,)]


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", LISTS)
def test_a_change_within_the_second_that_is_shown_is_loaded(
    account: Account, serve: Serve, behaviour: dict[str, Any]
) -> None:
    sandbox = serve(account, **behaviour)
    run(sandbox)
    for fraction, tags in enumerate((["b"], [], ["a"])):
        account.change("responses", 9, (NOON + 540) * SECOND + fraction, text=f"version {fraction}", tags=tags)
        notes = run(sandbox)
        assert counts(notes) == (1, 5, True)
        assert notes.table("responses").rows_new == 1
        assert_equal(account)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["normalize", "load"])
def test_what_a_failed_load_has_not_loaded_is_loaded_by_the_next(account: Account, serve: Serve, step: str) -> None:
    sandbox = serve(account)
    run(sandbox)
    account.change("responses", 9, (NOON + 540) * SECOND + 1, text="changed", tags=[])
    for _ in range(2):
        with failing(step, disk_full), pytest.raises(OSError, match="no room"):
            run(sandbox)
    assert counts(run(sandbox)) == (1, 5, True)
    assert_equal(account)


SETTINGS = [
    {"exclude_columns": ["responses.text"]},
    {"exclude_columns": "responses.tags"},
    {"properties": "json"},
    {"files": "parquet"},
]


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_that_shape_rows_load_them_again(account: Account, serve: Serve, settings: dict[str, Any]) -> None:
    sandbox = serve(account)
    run(sandbox)
    assert counts(run(sandbox, connections=1)) == (0, 6, True)
    assert counts(run(sandbox, **settings)) == (6, 0, True)
    assert counts(run(sandbox, **settings)) == (0, 6, True)
    assert counts(run(sandbox)) == (6, 0, True)
    assert_equal(account)


def test_another_version_loads_them_again(account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = serve(account)
    run(sandbox)
    monkeypatch.setattr(wootric_pipeline, "VERSION", "another")
    assert counts(run(sandbox)) == (6, 0, True)


@pytest.mark.slow
def test_a_full_refresh_loads_all_rows(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    with to().sql_client() as client:
        client.execute_sql("UPDATE responses SET text = 'by hand'")
    assert counts(run(sandbox, full_refresh=True)) == (10, 0, True)
    assert counts(run(sandbox)) == (0, 6, True)
    assert_equal(account)


@pytest.mark.slow
def test_a_table_that_was_dropped_gets_its_rows_again(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    with to().sql_client() as client:
        client.execute_sql("DROP TABLE responses")
    assert counts(run(sandbox)) == (0, 0, False)
    assert counts(run(sandbox, full_refresh=True)) == (10, 0, True)
    assert_equal(account)


@pytest.mark.slow
def test_rows_of_a_range_load_the_overlap_again(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    # Nothing in the range: the run is an idle one.
    run(sandbox, start_date="2020-01-01", end_date="2020-02-01")
    assert counts(run(sandbox)) == (0, 6, True)
    run(sandbox, start_date="2020-01-01", end_date="2024-01-01", exclude_columns=["responses.text"])
    assert counts(run(sandbox)) == (6, 0, True)


@pytest.mark.slow
def test_more_rows_than_are_kept_are_loaded_again(
    account: Account, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap, "ROWS_MAX", 4)
    sandbox = serve(account)
    run(sandbox)
    assert sorted(kept()["rows"]) == ["6", "7", "8", "9"]
    for _ in range(2):
        notes = run(sandbox)
        assert counts(notes) == (2, 4, True)
        assert notes.table("responses").rows_again == 2
    assert_equal(account)


@pytest.mark.slow
def test_a_row_that_is_left_out_has_no_other_loaded_again(account: Account, serve: Serve) -> None:
    account.put("responses", {**row(10, NOON + 500), "created_at": None})
    sandbox = serve(account)
    assert counts(run(sandbox)) == (10, 0, False)
    before = FILE.read_bytes()
    assert counts(run(sandbox)) == (0, 6, False)
    assert FILE.read_bytes() == before
    account.put("responses", row(10, NOON + 500))
    assert counts(run(sandbox)) == (1, 6, True)
    assert_equal(account)


def test_a_table_that_cannot_be_read_stays_known(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    run(sandbox)
    before, known = FILE.read_bytes(), kept()

    def refuse(_table: str) -> None:
        raise Refused(403, "forbidden")

    sandbox.behaviour.before_answer = refuse
    assert counts(run(sandbox)) == (0, 0, False)
    assert (FILE.read_bytes(), kept()) == (before, known)
    sandbox.behaviour.before_answer = None
    assert counts(run(sandbox)) == (0, 6, True)


def test_plain_dlt_counts_the_rows_that_it_loads(account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    pipeline = to()
    loaded_rows = []
    for index in range(3):
        if index == 2:
            account.put("responses", row(10, NOON + 600))
        pipeline.run(wootric_source(**access(sandbox)).with_resources("responses"))
        trace = pipeline.last_trace
        assert trace is not None
        assert trace.last_normalize_info is not None
        loaded_rows.append(trace.last_normalize_info.row_counts.get("responses", 0))
    assert loaded_rows == [10, 0, 1]
    assert_equal(account)


# --- Any course of events.


class Course:
    """Changes of an account, and loads of it, in an order that a seed gives; the text of rows may be left out."""

    def __init__(self, account: Account, sandbox: Sandbox, seed: int) -> None:
        self._account = account
        self._sandbox = sandbox
        self._random = random.Random(seed)
        self._second = NOON + 600
        self._excluded: list[str] = []
        self._cursor = 0

    def change(self) -> None:
        """Some rows are new or change: now, within the second of their last change, or seen some minutes late."""
        self._second += self._random.choice((0, 0, 30, 400))
        rows = self._account.rows["responses"]
        for _ in range(self._random.choice((0, 0, 1, 3))):
            row_id = self._random.randrange(len(rows) + 2)
            at = (self._second - self._random.choice((0, 0, 100))) * SECOND + self._random.randrange(SECOND)
            known = rows.get(row_id)
            fields: dict[str, Any] = {
                "text": f"{self._random.random()}",
                "tags": self._random.sample("abc", self._random.randrange(4)),
            }
            if known is not None and self._random.random() < 0.4:
                at = known["updated_at"] // SECOND * SECOND + self._random.randrange(SECOND)
                fields = fields if at >= self._overlap_begins() * SECOND else {}
            if known is None:
                self._account.put("responses", row(row_id, at // SECOND, **fields))
            else:
                self._account.change("responses", row_id, max(at, known["updated_at"]), **fields)

    def _overlap_begins(self) -> int:
        return self._cursor - LOOKBACK_SECONDS

    def load(self) -> None:
        """A load, which may fail first, with the settings of the last one or others; the table may be gone before."""
        self._random.choice((self._fail, self._exclude, self._drop, self._do_nothing, self._do_nothing))()
        notes = self._run()
        if not notes.ok:
            self._cursor = 0
            notes = self._run(full_refresh=True)
        assert notes.ok
        self._assert_equal()
        cursor = notes.table("responses").cursor_after
        self._cursor = int(cursor.timestamp()) if cursor else 0

    def _run(self, **arguments: Any) -> Run:
        return run(self._sandbox, exclude_columns=self._excluded, **arguments)

    def _do_nothing(self) -> None:
        pass

    def _fail(self) -> None:
        step = self._random.choice(("normalize", "load"))
        try:
            with failing(step, disk_full):
                self._run()
        except OSError:
            pass
        self.change()

    def _exclude(self) -> None:
        self._excluded = [] if self._excluded else ["responses.text"]

    def _drop(self) -> None:
        with to().sql_client() as client:
            client.execute_sql("DROP TABLE IF EXISTS responses")

    def _assert_equal(self) -> None:
        """All rows are as they are in the account; what is left out is so in rows that are read again."""
        rows, wanted = loaded(to(), "responses"), expected(self._account, "responses")
        begin = self._overlap_begins()
        for row_id, each in wanted.items():
            if each["updated_at"].timestamp() < begin:
                rows[row_id].pop("text", None)
                del each["text"]
            elif self._excluded:
                del each["text"]
        assert rows == wanted


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("behaviour", LISTS)
def test_the_table_is_the_account_after_each_run(
    account: Account, serve: Serve, behaviour: dict[str, Any], seed: int
) -> None:
    course = Course(account, serve(account, **behaviour), seed)
    # To open and close the file each time takes longer than the loads.
    with duckdb.connect(FILE):
        for _ in range(ROUNDS):
            course.load()
            course.change()
