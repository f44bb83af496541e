"""What README and docs/ show is run: the demo and its report, queries, backfills, a move to another folder."""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import NOON, Serve, row
from tests.documents import BLOCKS, COMMAND, block, section, shell_lines, table, words
from tests.pages import Page
from tests.script import DUCKDB_FILE, TABLE_NAMES, Outcome, Project, expected, project_for
from wootric_pipeline.insight.page.words import change, interval, score
from wootric_pipeline.insight.statistics import Counts
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount
from wootric_pipeline.tables import DEFAULT_TABLES

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("documented_runs")

DEMO_FILE = "wootric_demo.duckdb"
DEMO = block("sh", "make demo", "README.md")
DEMO_REPORT = block("", "latest change (UTC)", "README.md")
LATER_REPORT = block("", "read again  requests", "docs/operations.md")
QUESTIONS = [
    block("sql", each.text, each.document)
    for each in BLOCKS
    if (each.document, each.language) == ("docs/insight.md", "sql")
]
EXAMPLE = block("python", "z_against", "docs/insight.md")
EXAMPLE_PRINTED = block("", "by chance once in", "docs/insight.md")
NOTEBOOK = block("python", "dlt.dataset", "docs/insight.md")
OPEN = block("python", "duckdb.connect", "README.md")
QUERIES = block("sql", "CREATE TEMP VIEW answers")
JOIN = block("sql", "JOIN wootric.end_users", "docs/columns.md")
BOTH_TYPES = block("sql", "CAST(properties__seats AS VARCHAR)")
NUMBERS = block("sql", "TRY_CAST(properties__seats__v_text")
ONE_COLUMN = block("sql", "properties->>'seats'")
REPORT = block("json", "rate_limit_wait_seconds")
LOGGER = block("python", "logging.getLogger")
RANGE = block("sh", "--tables responses --start-date")
OLDER = block("sh", "--start-date 2020-01-01")
AGAIN = block("sh", "--full-refresh --tables responses")

Rows = list[tuple[Any, ...]]
Records = dict[str, list[dict[str, Any]]]


def options(text: str) -> list[str]:
    """The options of the one command in a block."""
    (line,) = shell_lines(text)
    name, *given = words(line)
    assert name == COMMAND
    return given


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """A folder in which the demo was run once, and what was shown."""
    project = Project(tmp_path_factory.mktemp("demo"))
    outcome = project.run_anew("--demo")
    assert outcome.code == 0, outcome.stderr
    return project, outcome


def without_figures(report: str) -> list[list[str]]:
    """The words of a report; which requests, times and seconds it has differs from run to run."""
    return [re.sub(r"\d(?![\d,]*,\d{3})[\d.:-]*", "0", line).split() for line in report.strip().splitlines()]


@pytest.mark.slow
def test_the_demo_reports_as_shown(demo: tuple[Project, Outcome]) -> None:
    _, outcome = demo
    assert DEMO == "make demo\n"
    shown = DEMO_REPORT.strip().splitlines()
    printed = outcome.stdout.splitlines()[: len(shown)]
    ruler = 1
    assert set(printed.pop(ruler)) == set(shown.pop(ruler)) == {"-", " "}
    assert without_figures("\n".join(printed)) == without_figures("\n".join(shown))
    rows = re.compile(r"^\w+ +[\d,]+|^[\d,]+ rows", re.MULTILINE)
    assert rows.findall("\n".join(printed)) == rows.findall("\n".join(shown))


@pytest.mark.slow
def test_a_later_run_reports_as_shown(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    for table_name, rows in (("end_users", 1), ("responses", 2), ("declines", 1)):
        account.fill(table_name, [row(row_id, NOON) for row_id in range(rows)])
    account.segments = [{"name": name, "data_type": "string", "created_at": NOON * SECOND} for name in "abcd"]
    account.survey_templates = [{"id": number, "name": "NPS"} for number in range(3)]
    project = project_for(serve(account), tmp_path)
    project.run()
    printed = project.run().stdout
    assert without_figures(printed) == without_figures(LATER_REPORT)
    counts = re.compile(r"^\w+(?: +\d+){3}|^\d+ rows|with \d+ requests", re.MULTILINE)
    assert counts.findall(printed) == counts.findall(LATER_REPORT)


def test_the_demo_writes_a_report_page(demo: tuple[Project, Outcome]) -> None:
    project, outcome = demo
    nps, report = outcome.stdout.splitlines()[-2:]
    assert report == "The report is wootric_demo_report.html."
    text = (project.folder / "wootric_demo_report.html").read_text("utf-8")
    page = Page(text)
    assert len(text.encode()) < 100_000
    score, low, high, responses = re.fullmatch(
        r"NPS ([+]\d+), 95% interval ([+]\d+) to ([+]\d+), of ([\d,]+) responses, .*", nps
    ).groups()  # type: ignore[union-attr]  # if it does not match, this fails
    assert page.sections["The score"].startswith(f"NPS {score} 95% interval {low} to {high} ")
    assert f"Responses {responses} " in page.sections["The score"]
    assert "These answers are invented: this is the demo account." in text
    assert "Latest comments" not in page.sections


def test_the_demo_counts_as_its_page_does(demo: tuple[Project, Outcome]) -> None:
    project, outcome = demo
    page = Page((project.folder / "wootric_demo_report.html").read_text("utf-8"))
    printed = re.findall(r"^(\d{4}-\d\d) +(\d+) +(\S+)$", outcome.stdout, re.MULTILINE)
    shown = [
        (
            f"{datetime.strptime(month[:8], '%b %Y'):%Y-%m}",
            responses.replace(",", ""),
            score.replace("−", "-").lstrip("+"),
        )
        for month, score, _, responses in page.rows("How it went")
    ]
    assert printed == shown[:6]


def test_each_question_is_answered_by_the_marts_of_the_demo(demo: tuple[Project, Outcome]) -> None:
    assert len(QUESTIONS) == 11
    with duckdb.connect(str(demo[0].folder / DEMO_FILE), read_only=True) as connection:
        connection.execute("SET search_path = 'wootric_marts'")
        answers = [connection.execute(question).fetchall() for question in QUESTIONS]
        plain = connection.execute(PLANS).fetchall()
    assert [len(answer) for answer in answers[:4]] == [12, 1, 3, 3]
    assert all(answers)
    assert answers[4] == plain
    assert all(before >= 9 and now <= 6 for _, before, now, _ in answers[6])
    assert all(text.strip() for _, _, text in answers[9])


def test_no_question_is_answered_by_a_negative_zero() -> None:
    """Which is what becomes of a score that is hardly below 0 where it is rounded as a floating-point number."""
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE mart_nps_periods AS SELECT 'month' AS period, DATE '2024-01-01' AS period_start,
                'all' AS scope, 3_000 AS responses, -0.04::DOUBLE AS nps, -0.04::DOUBLE AS nps_low,
                -0.04::DOUBLE AS nps_high, -0.04::DOUBLE AS nps_change, -0.01::DOUBLE AS change_z;
            CREATE TABLE fct_responses AS SELECT range AS response_id, 'nps' AS metric, true AS is_counted,
                true AS is_latest, CASE range WHEN 1 THEN -100 ELSE 0 END AS nps_points FROM range(3_000);
            CREATE TABLE fct_response_properties AS
                SELECT response_id, 'plan' AS property, 'a' AS value_text FROM fct_responses""")
        answers = [connection.execute(QUESTIONS[number]).fetchone() for number in (0, 4, 7)]
    assert [str(value) for answer in answers for value in answer or () if isinstance(value, (Decimal, float))] == [
        "0.0"
    ] * 6


PLANS = """
SELECT end_user__properties__plan, count(*),
    CAST(100.0 * (count(*) FILTER (score >= 9) - count(*) FILTER (score <= 6)) / count(*) AS DECIMAL(5, 1)) AS nps
FROM wootric.responses WHERE NOT excluded_from_calculations GROUP BY 1 ORDER BY nps, 1
"""


def test_the_example_of_a_change_gives_what_is_shown() -> None:
    printed = StringIO()
    with redirect_stdout(printed):
        exec(EXAMPLE, {})
    assert printed.getvalue() == EXAMPLE_PRINTED
    now, before = Counts(46, 24, 5), Counts(30, 28, 12)
    moved, by = change(now, before, "70 days")
    said = f"NPS {score(now)}, 95% interval {interval(now)}. {moved}: {by.replace(': ', '; ')}".replace("\u00a0", " ")
    assert said in " ".join(section("docs/insight.md", "The page").split())


def test_a_notebook_reads_the_marts_as_shown(demo: tuple[Project, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo[0].folder)
    printed = StringIO()
    with redirect_stdout(printed):
        exec(NOTEBOOK, {})
    assert printed.getvalue().count("datetime.date(") >= 40


def test_the_first_lines_in_python_show_rows(demo: tuple[Project, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo[0].folder)
    shown: dict[str, Any] = {}
    with redirect_stdout(StringIO()) as printed:
        exec(OPEN, shown)
    shown["surveys"].close()
    assert re.search(r"\b5 rows\b", printed.getvalue())
    # Other names in it are of files that the command makes.
    assert set(re.findall(r"\w+\.duckdb", OPEN)) == {DEMO_FILE, DUCKDB_FILE}


def records(file: Path) -> Records:
    """All rows that are loaded."""
    with duckdb.connect(str(file), read_only=True) as connection:
        names = (*TABLE_NAMES, "responses__tags")
        return {name: connection.execute(f"FROM wootric.{name}").to_arrow_table().to_pylist() for name in names}


def answers_of_queries(file: Path) -> list[Rows]:
    """What each of the queries answers, in the order in which they stand, after the view they share."""
    view, *queries = [statement for statement in QUERIES.split(";\n") if statement.strip()]
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(view)
        return [connection.execute(query).fetchall() for query in queries]


def rounded(number: Decimal) -> float:
    return float(number.quantize(Decimal(1), ROUND_HALF_UP))


def nps(scores: Iterable[int]) -> float:
    known = list(scores)
    promoters, detractors = (sum(map(test, known)) for test in (lambda s: s >= 9, lambda s: s <= 6))
    return rounded(Decimal(100 * (promoters - detractors)) / len(known))


def counted(found: Records) -> list[dict[str, Any]]:
    """The responses that count: complete, not excluded, of surveys in which somebody gave a 0."""
    surveys = {each["survey_id"] for each in found["responses"] if each["score"] == 0} - {None}
    return [
        each
        for each in found["responses"]
        if each["survey_id"] in surveys
        and each["completed"] is True
        and each["excluded_from_calculations"] is not True
        and each["score"] is not None
    ]


def grouped(rows: Iterable[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for each in rows:
        groups[tuple(each[key] for key in keys)].append(each)
    return groups


def scores(rows: Iterable[dict[str, Any]]) -> list[int]:
    return [each["score"] for each in rows]


def right_answers(found: Records) -> list[Rows]:
    """What the queries should answer, worked out without SQL."""
    answers = [{**each, "month": f"{each['created_at'].astimezone(timezone.utc):%Y-%m}"} for each in counted(found)]
    by_month = grouped(answers, "survey_id", "month")
    by_survey, declined = grouped(answers, "survey_id"), grouped(found["declines"], "survey_id")
    asked = {key: len(rows) + len(declined.get(key, ())) for key, rows in by_survey.items()}
    by_id = {each["_dlt_id"]: each for each in answers}
    tagged = [
        {**by_id[each["_dlt_parent_id"]], "tag": each["value"]}
        for each in found["responses__tags"]
        if each["_dlt_parent_id"] in by_id
    ]
    by_tag = grouped(tagged, "tag")
    emails = {each["id"]: each["email"] for each in found["end_users"]}
    unhappy = [each for each in answers if each["score"] <= 6 and each["text"] and each["end_user_id"] in emails]
    unhappy.sort(key=lambda each: (-each["created_at"].timestamp(), each["id"]))
    plans = grouped(answers, "end_user__properties__plan")
    return [
        [(*key, len(rows), nps(scores(rows))) for key, rows in sorted(by_month.items())],
        [(*key, asked[key], rounded(Decimal(100 * len(rows)) / asked[key])) for key, rows in sorted(by_survey.items())],
        sorted(
            (
                (*key, len(rows), sum(each["text"] is not None for each in rows), nps(scores(rows)))
                for key, rows in by_tag.items()
            ),
            key=lambda line: (-line[1], line[0]),
        ),
        [(each["created_at"], each["score"], emails[each["end_user_id"]], each["text"]) for each in unhappy[:10]],
        [(*key, len(rows), nps(scores(rows))) for key, rows in sorted(plans.items())],
    ]


def test_the_first_queries_answer_rightly_on_the_demo(demo: tuple[Project, Outcome]) -> None:
    file = demo[0].folder / DEMO_FILE
    answers = answers_of_queries(file)
    assert answers == right_answers(records(file))
    assert [len(rows) > 0 for rows in answers] == [True] * 5


ODD_RESPONSES: list[dict[str, Any]] = [
    *({"survey_id": 1, "score": score} for score in (0, 6, 7, 8, 9, 10, 10)),
    {"survey_id": 1, "score": None},
    {"survey_id": 1, "score": 0, "completed": False},
    {"survey_id": 1, "score": 0, "excluded_from_calculations": True},
    {"survey_id": 1, "score": 9, "excluded_from_calculations": None},
    {"survey_id": None, "score": 0},
    *({"survey_id": 2, "score": score} for score in (1, 9, 10)),
    *({"survey_id": 3, "score": score} for score in (1, 5)),
    # That somebody gave a 0 tells the scale, even if it is not to be counted.
    {"survey_id": 4, "score": 0, "excluded_from_calculations": True},
    {"survey_id": 4, "score": 9, "end_user_id": 99},
]
"""Of surveys of several scales and of none that is known; some do not count."""


def odd_account() -> Account:
    account = Account()
    account.put("end_users", row(1, NOON, email="a@example.com"))
    for row_id, given in enumerate(ODD_RESPONSES, 1):
        fields: dict[str, Any] = {
            "completed": True,
            "excluded_from_calculations": False,
            "end_user_id": 1,
            "end_user": {"properties": {"plan": "team"}},
            "text": "Why.",
            "tags": ["t"],
        }
        account.put("responses", row(row_id, NOON + row_id, **{**fields, **given}))
    for row_id, survey_id in enumerate((1, 1, 2, 3, None), 1):
        account.put("declines", row(row_id, NOON, survey_id=survey_id))
    return account


def test_the_first_queries_keep_scales_apart(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(odd_account()), tmp_path)
    assert project.run().code == 0
    file = tmp_path / DUCKDB_FILE
    answers = answers_of_queries(file)
    assert answers == right_answers(records(file))
    by_month, rates, *_ = answers
    # 4 promoters and 2 detractors of 8 answers, and a promoter of one; 8 of 10 answered, and 1 of 1.
    assert by_month == [(1, "2023-11", 8, 25.0), (4, "2023-11", 1, 100.0)]
    assert rates == [(1, 10, 80.0), (4, 1, 100.0)]


def test_all_columns_of_the_demo_are_explained(demo: tuple[Project, Outcome]) -> None:
    query = """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'wootric' AND NOT starts_with(table_name, '_dlt')
    """
    explained = {
        (name, cells[0].strip("`").replace("...", "*"))
        for name in (
            *DEFAULT_TABLES,
            "responses__tags",
            "responses__notes",
            "survey_templates__languages",
            "wootric_runs",
        )
        for cells in table("docs/columns.md", name if name != "responses__notes" else "responses__tags")
    }
    # Its own section tells of these.
    explained |= {
        (name, column) for name in (*DEFAULT_TABLES, "wootric_runs") for column in ("_dlt_id", "_dlt_load_id")
    }
    assert "`_dlt_load_id`" in section("docs/columns.md", "Columns of dlt's")
    found = demo[0].ask(query, DEMO_FILE)
    assert [
        (name, column)
        for name, column in found
        if not any(name == of and fnmatchcase(column, pattern) for of, pattern in explained)
    ] == []


def test_tables_join_as_shown(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=30, responses=90, declines=20)
    project = project_for(serve(account), tmp_path)
    assert project.run().code == 0
    emails = {row_id: user["email"] for row_id, user in account.rows["end_users"].items()}
    joined = [
        (response["score"], emails[response["end_user_id"]], tag)
        for response in account.rows["responses"].values()
        for tag in response["tags"] or [None]
    ]
    assert sorted(project.ask(JOIN), key=str) == sorted(joined, key=str)


def account_of_changing_types() -> Account:
    account = Account()
    for row_id, seats in enumerate((4, "many", "12", None), 1):
        account.put("end_users", row(row_id, NOON + row_id, properties={"seats": seats}))
    return account


@pytest.mark.slow
def test_both_types_of_a_property_are_read_as_shown(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account_of_changing_types())
    project = project_for(sandbox, tmp_path / "columns")
    printed = project.run("--json", "--tables", "end_users").report
    assert sorted(project.ask(BOTH_TYPES)) == [(1, "4.0"), (2, "many"), (3, "12")]
    assert sorted(project.ask(NUMBERS)) == [(1, 4), (2, None), (3, 12), (4, None)]
    assert_report_is_like(json.loads(REPORT), printed)
    other = project_for(sandbox, tmp_path / "json", properties="json")
    assert other.run("--tables", "end_users").code == 0
    assert sorted(other.ask(ONE_COLUMN)) == [(1, "4"), (2, "many"), (3, "12"), (4, None)]


def kinds(value: Any) -> Any:
    """The keys of JSON and the types of its values; of a list, those of its first element."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    return [kinds(inner) for inner in value[:1]] if isinstance(value, list) else type(value)


def assert_report_is_like(shown: dict[str, Any], printed: dict[str, Any]) -> None:
    """Whether the report that is shown has the keys, types and forms of times of one that was printed."""
    (change,) = shown["schema_changes"]
    assert change in printed["schema_changes"]
    (of_table,), (of_printed,) = shown.pop("tables").values(), printed.pop("tables").values()
    assert kinds(of_table) == kinds(of_printed)
    assert kinds(shown) == kinds(printed)
    for moment in (shown["started_at"], of_table["cursor_after"]):
        datetime.fromisoformat(moment.replace("Z", "+00:00"))


def test_the_logger_is_set_up_as_shown(tmp_path: Path) -> None:
    outcome = Project(tmp_path).python("-c", LOGGER)
    assert (outcome.code, outcome.stderr) == (0, "")


def in_range(account: Account, start: str, end: str = "9999-01-01") -> dict[int, int]:
    """The responses updated in a closed-open range of days, in UTC, with the seconds they were updated in."""
    low, high = (datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() for day in (start, end))
    return {row_id: second for row_id, second in expected(account, "responses").items() if low <= second < high}


def cursors(outcome: Outcome) -> Iterator[Any]:
    assert outcome.code == 0, outcome.stderr
    return (outcome.report["tables"]["responses"][f"cursor_{when}"] for when in ("before", "after"))


@pytest.mark.slow
def test_backfills_and_refreshes_do_what_is_said(serve: Serve, tmp_path: Path) -> None:
    # Its history is of four years until November 2023.
    account = DemoAccount(NOON, end_users=30, responses=200, declines=20)
    project = project_for(serve(account), tmp_path)
    only = ("--tables", "responses")
    project.run(*only, "--start-date", "2023-09-01")
    recent = in_range(account, "2023-09-01")
    assert project.held("responses") == recent

    assert list(cursors(project.run("--json", *options(RANGE)))) == [None, None]
    assert project.held("responses") == {**recent, **in_range(account, "2023-01-01", "2023-07-01")}
    assert project.run(*only, *options(OLDER)).code == 0
    assert project.held("responses") == in_range(account, "2020-01-01")

    account.delete("responses", min(recent))
    before, _ = cursors(project.run("--json", *only))
    assert before is not None
    assert min(recent) in project.held("responses")
    assert project.run(*options(AGAIN)).code == 0
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_another_folder_goes_on_with_the_file_and_begins_anew_without(serve: Serve, tmp_path: Path) -> None:
    account = DemoAccount(NOON, end_users=30, responses=90, declines=20)
    sandbox = serve(account)
    words_of_runs = ("--json", "--tables", "responses")
    first = project_for(sandbox, tmp_path / "first")
    _, reached = cursors(first.run(*words_of_runs))
    account.change("responses", min(account.rows["responses"]), (NOON + 10) * SECOND, text="Later.")
    for name, has_file in (("same machine", True), ("other machine", True), ("same machine without", False)):
        other = project_for(sandbox, tmp_path / name)
        if name.startswith("same"):
            other.environment["DLT_DATA_DIR"] = first.environment["DLT_DATA_DIR"]
        if has_file:
            shutil.copy(first.folder / DUCKDB_FILE, other.folder / DUCKDB_FILE)
        before, _ = cursors(other.run(*words_of_runs))
        assert before == (reached if has_file else None)
        assert other.held("responses") == expected(account, "responses")
