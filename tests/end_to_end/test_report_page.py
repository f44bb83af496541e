"""`--report`: that each figure of the page is that of the account's rows, and what it does with odd ones."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from math import ceil, floor
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import NOON, Serve, row
from tests.marts import Row, expected_marts, interval, nps_of, of_account
from tests.pages import Page
from tests.script import DUCKDB_FILE, Project, project_for
from wootric_pipeline.sandbox import SECOND, Account, DemoAccount

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("report_page")

ZONE = "America/Los_Angeles"
SINCE, UNTIL = date(2022, 11, 15), date(2023, 11, 14)
BEFORE = date(2021, 11, 16)
WINDOW = ("--since", str(SINCE), "--until", str(UNTIL))
SURVEYS: dict[int | None, tuple[str | None, int | None, str]] = {
    11: ("nps", 10, "setting"),
    12: ("nps", 10, "setting"),
    13: ("csat", 10, "setting"),
}
PAGE = "report.html"
Counted = Mapping[str, int]


def page_of(project: Project, *words: str) -> Page:
    outcome = project.run("--report", PAGE, *words)
    assert (outcome.code, outcome.stderr) == (0, "")
    return Page((project.folder / PAGE).read_text("utf-8"))


def signed(value: float) -> str:
    """Halves away from zero."""
    whole = int(abs(value) + 0.5)
    return "0" if not whole else f"{'+' if value > 0 else '−'}{whole}"


def counted(facts: Iterable[Row]) -> Counted:
    kinds = Counter(fact["category"] for fact in facts)
    found = {f"{name}s": kinds[name] for name in ("promoter", "passive", "detractor")}
    return {**found, "responses": sum(found.values())}


def ends(counts: Counted) -> str:
    middle, error = interval(counts["promoters"], counts["detractors"], counts["responses"])
    low, high = max(100 * (middle - 1.96 * error), -100), min(100 * (middle + 1.96 * error), 100)
    return f"{signed(floor(low))} to {signed(ceil(high))}"


def shown(counts: Counted) -> str:
    if counts["responses"] < 10:
        return "too few"
    return f"{signed(nps_of(counts))} {ends(counts)}" if counts["responses"] >= 30 else ends(counts)


def percent(part: int, whole: int) -> str:
    return f"{int(100 * part / whole + 0.5)}%"


class Expected:
    """What the rows of an account say of a window, worked out in Python."""

    def __init__(self, account: Account) -> None:
        rows = of_account(account)
        self.marts = expected_marts(rows, ZONE, SURVEYS)
        self.tags = {each["id"]: set(each["tags"]) for each in rows["responses"]}
        self.properties = {each["id"]: each["end_user"]["properties"] for each in rows["responses"]}
        self.all = [each for each in self.marts["fct_responses"] if each["metric"] == "nps" and each["is_counted"]]
        self.now = [each for each in self.all if SINCE <= each["local_date"] < UNTIL]
        self.before = [each for each in self.all if BEFORE <= each["local_date"] < SINCE]

    def declines(self, since: date, until: date) -> int:
        asks = self.marts["fct_asks"]
        return sum(
            each["outcome"] == "declined"
            and SURVEYS[each["survey_id"]][0] == "nps"
            and since <= each["local_date"] < until
            for each in asks
        )

    def groups(self, key: Callable[[Row], Iterable[str]]) -> list[list[str]]:
        named: dict[str, list[Row]] = {}
        for fact in self.now:
            for name in key(fact):
                named.setdefault(name, []).append(fact)
        counts = {name: counted(facts) for name, facts in named.items()}
        best = sorted(counts, key=lambda name: (counts[name]["responses"] < 10, -nps_of(counts[name]), name))
        return [[f"{name} {counts[name]['responses']} responses", shown(counts[name]), ""] for name in best]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterable[tuple[Project, Page, Expected]]:
    """An account of three surveys, and the page of a year of it."""
    from wootric_pipeline.sandbox import Behaviour, Sandbox

    account = DemoAccount(NOON, end_users=150, responses=1_500, declines=400)
    for number, response in enumerate(list(account.rows["responses"].values())):
        odds: dict[int, Row] = {4: {"score": 11}, 6: {"score": None}, 7: {"completed": False}}
        odd = odds.get(number % 40, {})
        if response["survey_id"] == 13 and response["score"] == 0:
            odd = {"score": 3}
        account.put("responses", {**response, **odd})
    with Sandbox(account, Behaviour()) as sandbox:
        project = project_for(
            sandbox,
            tmp_path_factory.mktemp("life") / "project",
            time_zone=ZONE,
            surveys='{"11": "nps", "12": "nps", "13": "csat"}',
        )
        assert project.run().code == 0
        yield project, page_of(project, *WINDOW, "--segment", "plan", "--segment", "Account Manager"), Expected(account)


Life = tuple[Project, Page, Expected]


def test_the_first_thing_is_the_score_and_whether_it_moved(life: Life) -> None:
    _, page, rows = life
    now, before = counted(rows.now), counted(rows.before)
    middle, error = interval(now["promoters"], now["detractors"], now["responses"])
    other, other_error = interval(before["promoters"], before["detractors"], before["responses"])
    z = (middle - other) / (error**2 + other_error**2) ** 0.5
    assert abs(z) < 1.96
    smallest = signed(196 * (error**2 + other_error**2) ** 0.5).lstrip("+")
    asked, asked_before = rows.declines(SINCE, UNTIL), rows.declines(BEFORE, SINCE)
    commented = sum(each["category"] == "detractor" and each["has_comment"] for each in rows.now)
    assert page.sections["The score"].strip() == (
        f"NPS {signed(nps_of(now))} 95% interval {ends(now)} No move beyond chance "
        f"{signed(nps_of(now) - nps_of(before))} on the 364 days before: up to {smallest} points either way can be "
        f"chance. Responses {now['responses']:,} {before['responses']:,} in the 364 days before "
        f"Answered {percent(now['responses'], now['responses'] + asked)} "
        f"{percent(before['responses'], before['responses'] + asked_before)} before. Of those who answered or "
        f"declined. Detractors {now['detractors']:,} {percent(now['detractors'], now['responses'])} of the responses, "
        f"{commented:,} with a comment"
    )


def test_the_page_says_of_what_and_when_it_is(life: Life) -> None:
    project, page, _ = life
    started = project.ask("SELECT max(started_at) FROM wootric.wootric_runs")[0][0].astimezone(ZoneInfo(ZONE))
    assert page.sections["NPS, 15 Nov 2022 to 13 Nov 2023"].strip() == (
        f"All NPS surveys, 364 days. Days {ZONE}, by the setting time_zone "
        f"Loaded up to {started.day} {started:%b %Y, %H:%M} ({ZONE}) "
        "Wootric’s own figures not compared yet: --verify does that"
    )


def test_months_are_those_of_the_rows(life: Life) -> None:
    _, page, rows = life
    months: dict[date, list[Row]] = {}
    for fact in rows.all:
        months.setdefault(fact["local_date"].replace(day=1), []).append(fact)
    wanted = []
    for month in sorted(months)[::-1][:13]:
        counts = counted(months[month])
        score = signed(nps_of(counts)) if counts["responses"] >= 30 else "–"
        wanted.append([f"{month:%b %Y}", score, ends(counts), str(counts["responses"])])
    assert {"–"} < {score for _, score, _, _ in wanted}
    assert list(page.rows("How it went")) == wanted


def test_scores_are_those_of_the_rows(life: Life) -> None:
    _, page, rows = life
    given, total = Counter(fact["score"] for fact in rows.now), len(rows.now)
    wanted = [[str(score), "", f"{given[score]:,}", percent(given[score], total)] for score in range(10, -1, -1)]
    assert list(page.rows("What they gave")) == wanted
    counts = counted(rows.now)
    assert page.sections["What they gave"].strip() == " ".join(
        f"{name}: {counts[kind]:,}, {percent(counts[kind], total)}"
        for name, kind in (("Promoters (9–10)", "promoters"), ("Passives (7–8)", "passives"),
                           ("Detractors (0–6)", "detractors"))
    )  # fmt: skip


def test_segments_and_tags_are_those_of_the_rows(life: Life) -> None:
    project, page, rows = life
    assert list(page.rows("Who differs, by plan")) == rows.groups(
        lambda fact: [rows.properties[fact["response_id"]]["plan"]]
    )
    assert list(page.rows("What they talk about")) == rows.groups(lambda fact: rows.tags[fact["response_id"]])
    managers = rows.groups(lambda fact: [rows.properties[fact["response_id"]].get("Account Manager") or "not known"])
    unknown = [each for each in managers if each[0].startswith("not known")]
    found = list(page.rows("Who differs, by account_manager"))
    assert found == [each for each in managers if each not in unknown] + unknown
    # What the page chooses by itself.
    page = page_of(project, *WINDOW)
    assert [name for name in page.tables if name.startswith("Who differs")] == [
        "Who differs, by survey",
        "Who differs, by plan",
        "Who differs, by country",
    ]
    assert list(page.rows("Who differs, by survey")) == rows.groups(lambda fact: [f"Survey {fact['survey_id']}"])


def test_movers_are_those_of_the_rows(life: Life) -> None:
    _, page, rows = life
    last: dict[tuple[int, bool], str] = {}
    for fact in rows.all:
        if fact["local_date"] < UNTIL:
            last[fact["end_user_id"], fact["local_date"] >= SINCE] = fact["category"]
    moved = Counter(
        (last[person, False], now) for (person, is_now), now in last.items() if is_now and (person, False) in last
    )
    kinds = ("promoter", "passive", "detractor")
    wanted = []
    for was in kinds:
        total = sum(moved[was, now] for now in kinds)
        share = [f" {percent(moved[was, now], total)} of them" if total >= 30 else "" for now in kinds]
        wanted.append([f"Was {was}", *(f"{moved[was, now]}{each}" for now, each in zip(kinds, share, strict=True))])
    assert list(page.rows("Who moved")) == wanted
    up = moved["passive", "promoter"] + moved["detractor", "passive"] + moved["detractor", "promoter"]
    same = sum(moved[kind, kind] for kind in kinds)
    total = moved.total()
    assert page.sections["Who moved"].strip() == (
        f"Of {total} people who had answered before, {up} moved up, {total - up - same} down, and {same} stayed."
    )
    people = counted({"category": now} for (_, is_now), now in last.items() if is_now)
    assert (
        f"another number: NPS {signed(nps_of(people))} ({ends(people)}) of {people['responses']} people." in page.text
    )


def test_surveys_have_figures_of_their_own(life: Life) -> None:
    _, page, rows = life
    facts = [each for each in rows.marts["fct_responses"] if SINCE <= each["local_date"] < UNTIL and each["is_counted"]]
    wanted = []
    for survey in (11, 12):
        counts = counted(each for each in facts if each["survey_id"] == survey)
        wanted.append(
            [
                f"Survey {survey} NPS, 0 to 10, by the setting surveys; some scores are beyond it",
                str(counts["responses"]),
                shown(counts),
            ]
        )
    kinds = Counter(each["category"] for each in facts if each["survey_id"] == 13)
    total, good = kinds.total(), kinds["satisfied"]
    middle = (good + 2) / (total + 4)
    error = 1.96 * (middle * (1 - middle) / (total + 4)) ** 0.5
    low, high = f"{floor(100 * (middle - error))}%", f"{ceil(100 * (middle + error))}%"
    scale = "CSAT, 1 to 10: share of 9 to 10, by the setting surveys; some scores are beyond it"
    wanted.append([f"Survey 13 {scale}", str(total), f"{percent(good, total)} {low} to {high}"])
    assert list(page.rows("Surveys")) == wanted


def test_what_is_left_out_adds_up(life: Life) -> None:
    _, page, rows = life
    inside = [each for each in rows.marts["fct_responses"] if SINCE <= each["local_date"] < UNTIL]
    reasons = Counter[str]()
    for fact in inside:
        if SURVEYS[fact["survey_id"]][0] != "nps":
            reasons["of surveys that are CSAT or CES"] += 1
        elif fact["category"] is None:
            reasons["without a score of 0 to 10"] += 1
        elif fact["is_excluded"]:
            reasons["excluded from calculations in Wootric"] += 1
    assert len(inside) - reasons.total() == len(rows.now)
    names = ("of surveys that are CSAT or CES", "without a score of 0 to 10", "excluded from calculations in Wootric")
    now = counted(rows.now)
    assert (
        f"{len(inside):,} responses from 15 Nov 2022 to 13 Nov 2023; counted are {now['responses']:,}: "
        f"{now['promoters']} promoters, {now['passives']} passives, {now['detractors']} detractors. "
        f"Not counted: {', '.join(f'{reasons[name]:,} {name}' for name in names)}. "
        "Counted though Wootric does not call them complete: "
        f"{sum(not each['is_completed'] for each in rows.now)}; see the setting counting."
    ) in page.text


def test_one_survey_alone(life: Life) -> None:
    project, _, rows = life
    page = page_of(project, *WINDOW, "--survey", "12")
    counts = counted(each for each in rows.now if each["survey_id"] == 12)
    assert page.sections["The score"].startswith(f"NPS {signed(nps_of(counts))} 95% interval {ends(counts)} ")
    assert [each[0].split(" NPS")[0] for each in page.rows("Surveys")] == ["Survey 12"]
    assert sum(int(each[2]) for each in page.rows("What they gave")) == counts["responses"]
    november = [each for each in rows.all if each["survey_id"] == 12 and each["local_date"] >= date(2023, 11, 1)]
    assert next(page.rows("How it went"))[3] == str(len(november))


def test_the_report_for_people_and_machines_says_the_same(life: Life) -> None:
    project, _, rows = life
    counts = counted(rows.now)
    report = project.run("--report", PAGE, *WINDOW, "--json").report
    middle, error = interval(counts["promoters"], counts["detractors"], counts["responses"])
    assert report["ok"] is True
    assert report["report"] == {
        "file": PAGE,
        "bytes": (project.folder / PAGE).stat().st_size,
        "since": str(SINCE),
        "until": str(UNTIL),
        "loaded_from": None,
        "responses": counts["responses"],
        "nps": nps_of(counts),
        "nps_low": pytest.approx(100 * (middle - 1.96 * error)),
        "nps_high": pytest.approx(100 * (middle + 1.96 * error)),
        "verdict": None,
    }
    told = project.run("--report", PAGE, *WINDOW).stdout.splitlines()
    assert told[0].startswith(f"NPS {signed(nps_of(counts))}, 95% interval {ends(counts)}, of {counts['responses']:,} ")
    assert told[1] == f"The report is {PAGE}."


def test_the_same_rows_give_the_same_page(life: Life) -> None:
    project, _, _ = life
    page_of(project, *WINDOW)
    first = (project.folder / PAGE).read_bytes()
    page_of(project, *WINDOW)
    assert (project.folder / PAGE).read_bytes() == first


def test_the_page_needs_nothing_else(life: Life) -> None:
    project, _, _ = life
    page = page_of(project, *WINDOW, "--comments", "200")
    text = (project.folder / PAGE).read_text("utf-8")
    assert not re.search(r"https?:|//|url\(|@import|javascript", text)
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "iframe", "img", "object", "embed", "form", "a", "base", "audio", "video", "source"}
    attributes = {name for _, about in page.elements for name in about}
    assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert [about["href"] for _, about in page.elements if "href" in about] == ["data:,"]
    (policy,) = [about["content"] for tag, about in page.elements if about.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_headings_and_tables_are_named_for_screen_readers(life: Life) -> None:
    _, page, _ = life
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    ids = {about["id"] for _, about in page.elements if about.get("id")}
    named = [about["aria-labelledby"] for tag, about in page.elements if tag == "section"]
    assert set(named) <= ids
    assert len(named) == levels.count(2)
    captions = sum(tag == "caption" for tag, _ in page.elements)
    by_heading = sum(tag == "table" and "aria-labelledby" in about for tag, about in page.elements)
    assert captions + by_heading == len(page.tables)
    pictures = [
        about for tag, about in page.elements if tag == "svg" and "viewBox" not in {**about} and "viewbox" not in about
    ]
    assert all(about.get("aria-hidden") == "true" or about.get("aria-label") for about in pictures)
    assert all(about.get("scope") for tag, about in page.elements if tag == "th")


def test_comments_are_shown_only_where_they_are_asked_for(life: Life) -> None:
    project, page, _ = life
    texts = [each for (each,) in project.ask("SELECT DISTINCT text FROM wootric.responses WHERE text <> ''")]
    assert "Latest comments" not in page.sections
    assert not [each for each in texts if each in page.text]
    newest = project.ask(
        "SELECT facts.score, facts.category, facts.local_date, facts.survey_id, text FROM wootric_marts.fct_responses "
        "AS facts JOIN wootric.responses ON id = response_id WHERE metric = 'nps' AND is_counted AND has_comment "
        f"AND local_date >= '{SINCE}' AND local_date < '{UNTIL}' ORDER BY responded_at DESC LIMIT 3"
    )
    page = page_of(project, *WINDOW, "--comments", "3")
    assert page.sections["Latest comments"].strip() == " ".join(
        f"{score} {category}, {day.day} {day:%b %Y}, survey {survey} {text}"
        for score, category, day, survey, text in newest
    )


@pytest.mark.slow
def test_the_page_says_what_the_comparison_with_wootric_has_found(serve: Serve, tmp_path: Path) -> None:
    project = loaded(serve, tmp_path, DemoAccount(NOON, end_users=40, responses=300, declines=20), surveys="{}")
    assert project.run("--verify").code == 0
    ((verdict, rule, started_at),) = project.ask(
        "SELECT verdict, verdict_detail ->> 'told', started_at FROM wootric.wootric_runs "
        "WHERE verdict IS NOT NULL AND table_name = 'responses'"
    )
    assert (verdict, rule) == ("equal, counted differently", "surveys count, too, whose metric is undecided")
    page = page_of(project, "--since", "2023-01-01")
    at = started_at.astimezone(ZoneInfo(ZONE))
    told = f"the same, counted differently: there, {rule} (on {at.day} {at:%b %Y})"
    header = next(text for heading, text in page.sections.items() if heading.startswith("NPS, "))
    assert header.strip().endswith(f"Wootric’s own figures {told}")
    assert f"Days {ZONE}, as the account’s times are shown" in header


def answers(*scores: int | None, **fields: Any) -> Account:
    """An account with an answer a day, the last one yesterday."""
    account = Account()
    midnight = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, score in enumerate(scores):
        at = int((midnight - timedelta(days=1 + number % 80)).timestamp()) + 3_600
        fact = {"score": score, "survey_id": 5, "completed": True, "end_user_id": number, **fields}
        account.put("responses", row(number + 1, at, **fact))
    return account


def loaded(serve: Serve, folder: Path, account: Account, **settings: Any) -> Project:
    project = project_for(serve(account), folder / "project", **{"surveys": '{"5": "nps"}', **settings})
    assert project.run().code == 0
    return project


@pytest.mark.slow
def test_nothing_is_there_at_all(serve: Serve, tmp_path: Path) -> None:
    page = page_of(loaded(serve, tmp_path, Account()))
    assert page.sections["The score"].strip() == (
        "NPS – No answer in this window. There is none at all yet. Responses 0 0 in the 90 days before Answered – Of "
        "those who answered or declined. Detractors 0 0 with a comment"
    )
    assert page.sections["How it went"].strip() == "There are no answers yet."
    assert page.tables == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scores", "score"),
    [
        ([9], "NPS – Fewer than 10 responses have no score: only counts are shown. 1 promoter, 0 passives, 0 "
         "detractors."),
        ([9] * 9 + [7] * 2 + [3], "NPS +18 to +89 95% interval. Fewer than 30 responses have an interval, and no "
         "score. Cannot tell whether it moved The 90 days before have only 0 responses."),
        ([10] * 46 + [8] * 24 + [0] * 5, "NPS +55 95% interval +38 to +67 Cannot tell whether it moved The 90 days "
         "before have only 0 responses."),
        ([10] * 40, "NPS +100 95% interval +83 to +100 Cannot tell whether it moved The 90 days before have only 0 "
         "responses."),
    ],
)  # fmt: skip
def test_few_answers_show_no_more_than_they_know(
    serve: Serve, tmp_path: Path, scores: Sequence[int], score: str
) -> None:
    page = page_of(loaded(serve, tmp_path, answers(*scores)))
    assert page.sections["The score"].startswith(f"{score} Responses {len(scores)} ")


@pytest.mark.slow
def test_all_answers_are_excluded(serve: Serve, tmp_path: Path) -> None:
    page = page_of(loaded(serve, tmp_path, answers(9, 3, 0, excluded_from_calculations=True)))
    assert page.sections["The score"].startswith("NPS – No answer in this window. There is none at all yet. ")
    assert "3 responses from" in page.text
    assert "Not counted: 3 excluded from calculations in Wootric." in page.text


@pytest.mark.slow
def test_a_survey_that_nobody_has_decided_is_in_no_figure(serve: Serve, tmp_path: Path) -> None:
    project = loaded(serve, tmp_path, answers(9, 9, 9), surveys="{}")
    page = page_of(project)
    assert list(page.rows("Surveys")) == [["Survey 5 scale undecided: in no figure", "3", "–"]]
    assert "Not counted: 3 of surveys whose scale is undecided." in page.text
    assert project.run("--report", PAGE, "--survey", "5").sentence == (
        'What the scores of survey 5 are is undecided; say so, as in surveys = {5 = "nps"} under [sources.wootric].'
    )


ELEMENTS = (
    "html head meta link title style body main header section h1 h2 h3 p dl dt dd div span strong ul ol li table "
    "caption thead tbody tr th td svg line circle rect polygon polyline bdi"
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnirts\u2066 desrever",
    "</table></body>&amp;&#60;",
    "a" * 10_000,
    "{}<%= 1 %>{{7*7}}\x00\x1b[31m",
)


@pytest.mark.slow
def test_hostile_names_and_comments_are_text(serve: Serve, tmp_path: Path) -> None:
    account = answers(*[9, 3, 0, 10, 8, 2, 7] * 12)
    for number, response in enumerate(list(account.rows["responses"].values())):
        text = HOSTILE[number % len(HOSTILE)]
        properties = {HOSTILE[0]: text, "plan": HOSTILE[-1 - number % len(HOSTILE)]}
        account.put("responses", {**response, "tags": [text], "text": text, "end_user": {"properties": properties}})
    project = loaded(serve, tmp_path, account, properties="json")
    page = page_of(project, "--comments", "20", "--segment", "plan", "--segment", HOSTILE[0])
    text = (project.folder / PAGE).read_text("utf-8")
    assert {tag for tag, _ in page.elements} <= set(ELEMENTS.split())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)
    assert len(text) < 100_000
    assert "a" * 401 not in text
    assert "a" * 61 not in text.split("Latest comments")[0]
    assert "<script>alert(1)</script>" in page.sections["Latest comments"]
    assert f"Who differs, by {HOSTILE[0]}" in page.tables
    names = [each[0].split(" 14 responses")[0] for each in page.rows("Who differs, by plan")]
    assert sorted(names) == sorted(
        ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "gnirts desrever", "</table></body>&amp;&#60;",
         "a" * 59 + "…", "{}<%= 1 %>{{7*7}}\ufffd [31m"]
    )  # fmt: skip


@pytest.mark.slow
def test_right_to_left_comments_have_their_own_direction(serve: Serve, tmp_path: Path) -> None:
    project = loaded(serve, tmp_path, answers(9, text="خدمة ممتازة", tags=["とても"]))
    page = page_of(project, "--comments", "1")
    assert ("p", {"dir": "auto", "class": "comment"}) in page.elements
    assert page.sections["Latest comments"].strip().endswith("survey 5 خدمة ممتازة")
    assert list(page.rows("What they talk about")) == [["とても 1 response", "too few", ""]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"exclude_columns": "responses.text"}, {"hash_columns": "responses.text", "hash_key": "0" * 32}]
)
def test_comments_that_are_not_loaded_or_hashed_are_not_shown(
    serve: Serve, tmp_path: Path, settings: Mapping[str, str]
) -> None:
    project = loaded(serve, tmp_path, answers(9, text="Nice."), **settings)
    page = page_of(project, "--comments", "5")
    assert page.sections["Latest comments"].strip() == "Comments are not loaded."


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Project]:
    from wootric_pipeline.sandbox import Behaviour, Sandbox

    account = answers(9, 0, end_user={"properties": {"plan": "free"}})
    account.put("responses", row(99, NOON, survey_id=6, score=5))
    with Sandbox(account, Behaviour()) as sandbox:
        project = project_for(
            sandbox, tmp_path_factory.mktemp("small") / "project", surveys='{"5": "nps", "6": "csat"}'
        )
        assert project.run().code == 0
        yield project


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--survey", "7"], "There is no survey 7; there are 5, 6."),
        (["--survey", "6"], "Survey 6 is csat, and the page is about NPS; without --survey it has its share."),
        (["--segment", "p\x1blans"], "There is no property p?lans; there are plan."),
        (
            ["--comments", "0"],
            "Argument --comments: a number from 1 to 200 is needed; without it no comment is shown; see --help.",
        ),
        (
            ["--comments=-1"],
            "Argument --comments: a number from 1 to 200 is needed; without it no comment is shown; see --help.",
        ),
        (
            ["--since", "2024-02-01", "--until", "2024-02-01"],
            "--since must be a day before --until, which is the first one behind the window.",
        ),
        (
            ["--since", "1.2.2024"],
            "Argument --since: a date such as 2024-01-31 is needed, from 1970-01-01 to 2099-12-31; see --help.",
        ),
        (["--marts"], "--report writes a page of what is loaded; leave out any other of these options."),
        (["--full-refresh"], "--report loads nothing; leave out --full-refresh."),
    ],
)
def test_mistakes_are_told(small: Project, words: Sequence[str], sentence: str) -> None:
    outcome = small.run("--report", "mistake.html", *words)
    assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", sentence)
    assert not (small.folder / "mistake.html").exists()


def test_a_window_that_begins_behind_what_is_loaded_is_refused(small: Project) -> None:
    today = datetime.now(timezone.utc).date()
    outcome = small.run("--report", "mistake.html", "--since", str(today + timedelta(days=3)))
    assert (outcome.code, outcome.sentence) == (
        2,
        f"--since {today + timedelta(days=3)} must be a day before the first day that is not loaded as a whole, "
        f"{today}; choose an earlier one.",
    )


def test_options_of_the_page_need_it(small: Project) -> None:
    outcome = small.run("--survey", "5", "--comments", "2")
    assert (outcome.code, outcome.sentence) == (2, "--survey, --comments are about --report; add that.")


@pytest.mark.parametrize("file", ["missing/report.html", ".", ""])
def test_a_page_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path, file: str) -> None:
    project = Project(tmp_path)
    outcome = project.run("--report", file)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.sentence in (
        "The report cannot be written to missing/report.html; choose a file in a folder that you may write to.",
        f"--report must name a file, such as report.html; {file} is none.",
    )
    assert not (tmp_path / DUCKDB_FILE).exists()


def test_nothing_is_loaded_yet(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run("--report", PAGE)
    assert (outcome.code, outcome.sentence) == (2, "Nothing was loaded into the dataset wootric yet; load it first.")
    assert not (tmp_path / PAGE).exists()


@pytest.mark.slow
def test_marts_are_built_only_where_they_are_older_than_the_rows(serve: Serve, tmp_path: Path) -> None:
    account = answers(9, 0)
    project = loaded(serve, tmp_path, account)
    assert "marts" in project.run("--report", PAGE, "--json").report
    assert "marts" not in project.run("--report", PAGE, "--json").report
    account.put("responses", {**account.rows["responses"][1], "id": 77, "updated_at": (NOON + 10**8) * SECOND})
    assert project.run().code == 0
    report = project.run("--report", PAGE, "--json").report
    assert (report["marts"]["tables"]["fct_responses"], report["report"]["responses"]) == (3, 3)


@pytest.mark.slow
def test_the_demo_is_loaded_and_told_in_the_file_that_is_asked_for(tmp_path: Path) -> None:
    project = Project(tmp_path)
    outcome = project.run("--demo", "--report", "page.html", "--json")
    assert (outcome.code, outcome.report["tables"]["responses"]["rows"]) == (0, 10_000)
    assert [path.name for path in tmp_path.glob("*.html")] == ["page.html"]


@pytest.mark.slow
def test_a_page_that_cannot_be_written_takes_nothing_from_what_the_demo_tells(tmp_path: Path) -> None:
    (tmp_path / "wootric_demo_report.html").mkdir()
    outcome = Project(tmp_path).run("--demo")
    assert (outcome.code, outcome.sentence) == (
        2,
        "What the run has changed is loaded, but its page is not written. --report must name a file, such as "
        "report.html; wootric_demo_report.html is none.",
    )
    assert "20,007 rows into duckdb, dataset wootric, in " in outcome.stdout
    assert "NPS by month:" in outcome.stdout.splitlines()
