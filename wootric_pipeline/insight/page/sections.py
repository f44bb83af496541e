"""The parts of the page, from the score down to how it is counted."""

from collections.abc import Iterator, Sequence

from ..statistics import INTERVAL_MIN, POINT_MIN, Counts, share
from . import charts
from .figures import CATEGORIES, DAY, Comment, Dimension, Figures, Group, Month, Survey
from .markup import Html, element, harmless, isolated, joined
from .words import (
    between,
    counted,
    day,
    days,
    freshness,
    interval,
    lacking,
    loaded_from,
    month,
    moved,
    percent,
    percents,
    score,
    signed,
    span,
    too_few,
    verdict,
    zone,
)

COMMENT_MAX = 400
"""Characters of a comment; the rest is cut."""
KINDS = {"promoter": "Promoters (9–10)", "passive": "Passives (7–8)", "detractor": "Detractors (0–6)"}
RANKS = {category: rank for rank, category in enumerate(reversed(CATEGORIES))}
METRICS = {
    "nps": "NPS, 0 to 10",
    "csat": "CSAT, 1 to {}: share of {} to {}",
    "ces": "CES, 1 to 7: share of 5 to 7",
}
KNOWN_BY = {
    "setting": "by the setting surveys",
    "zero": "since a 0 was given",
    "range": "likely, by its highest score",
}


def head(figures: Figures) -> Html:
    """Whose score this is, how far it reaches, and who has checked it."""
    window, known = figures.window, figures.known
    which = "All NPS surveys" if figures.wanted.survey is None else f"Survey {figures.wanted.survey}"
    facts = {
        "Days": zone(known),
        **({"Loaded from": loaded_from(known)} if known.first_day else {}),
        "Loaded up to": freshness(known),
        "Wootric’s own figures": verdict(known),
    }
    invented = [element("p", "These answers are invented: this is the demo account.", class_="demo")]
    gap = lacking(known, window, "these days")
    rows = [element("div", element("dt", name), element("dd", told)) for name, told in facts.items()]
    return element(
        "header",
        element("h1", f"NPS, {span(window)}"),
        element("p", f"{which}, {days(window.days)}.", class_="which"),
        *(invented if known.is_demo else []),
        *([element("p", element("strong", gap), " The figures below are of a part of them.")] if gap else []),
        element("dl", *rows, class_="facts"),
    )


def tiles(figures: Figures) -> Html:
    """The score, whether it moved, and of how many answers it is."""
    now, before = figures.now, figures.before
    answered = percent(now.counts.responses, now.asked) if now.asked else "–"
    was = f"{percent(before.counts.responses, before.asked)} before. " if before and before.asked else ""
    responses_before = f"{before.counts.responses:,} in the {days(figures.window.days)} before" if before else ""
    detractors = now.counts.detractors
    of_all = f"{percent(detractors, now.counts.responses)} of the responses" if now.counts.has_point else ""
    return element(
        "section",
        element("h2", "The score", class_="hidden", id_="score"),
        _score_tile(figures),
        _tile("Responses", f"{now.counts.responses:,}", responses_before),
        _tile("Answered", answered, f"{was}Of those who answered or declined."),
        _tile(
            "Detractors",
            f"{detractors:,}",
            f"{of_all}{', ' if of_all else ''}{now.detractors_with_comment:,} with a comment",
        ),
        class_="tiles",
        aria_labelledby="score",
    )


def _score_tile(figures: Figures) -> Html:
    counts = figures.now.counts
    whether, by = moved(figures)
    if not counts.responses:
        latest = f"The latest answer is of {day(figures.latest)}." if figures.latest else "There is none at all yet."
        return _tile("NPS", "–", f"No answer in this window. {latest}", kind="hero")
    if not counts.has_interval:
        kinds = ", ".join(counted(number, name) for name, number in zip(CATEGORIES, counts, strict=True))
        return _tile("NPS", "–", f"{too_few(counts)} {kinds}.", kind="hero")
    shown = score(counts) if counts.has_point else interval(counts)
    certain = f"95% interval {interval(counts)}" if counts.has_point else f"95% interval. {too_few(counts)}"
    return element(
        "div",
        element("h3", "NPS"),
        element("p", shown, class_="figure"),
        element("p", certain, class_="certain"),
        element("p", element("strong", whether), joined(" ", by), class_="moved"),
        class_="tile hero",
    )


def _tile(name: str, figure: str, told: str, kind: str = "") -> Html:
    return element(
        "div",
        element("h3", name),
        element("p", figure, class_="figure"),
        element("p", told, class_="told"),
        class_=f"tile {kind}".strip(),
    )


def trend(figures: Figures) -> Html:
    """How the score went, and of how many answers."""
    periods, period = figures.months, figures.period
    if not periods:
        lacks = f"No {period} is loaded as a whole yet." if figures.known.first_day else "There are no answers yet."
        return _section("trend", "How it went", element("p", lacks))
    first, last = month(periods[0].start, period), month(periods[-1].start, period)
    running = "" if periods[-1].is_over else f" Hollow: the {period} is not over."
    most = max(each.counts.responses for each in periods)
    told = (
        f"By {period}, whatever days are shown above{_beginning(figures)}. Band: 95% interval. "
        f"Bars: responses, {most:,} at most.{running}"
    )
    label = f"NPS by {period} from {first} to {last}; the table has the figures."
    return _section(
        "trend",
        "How it went",
        element("p", told, class_="about"),
        element("div", charts.trend(periods, period, label), _periods(periods, period), class_="beside"),
    )


def _beginning(figures: Figures) -> str:
    """Why the trend begins where it does, if that is since the period before is not all loaded."""
    first_day, start = figures.known.first_day, figures.months[0].start
    before = (start - (1 if figures.period == "month" else 80) * DAY).replace(day=1)
    is_cut = first_day is not None and before < first_day
    return f", from the first {figures.period} that is all loaded" if is_cut else ""


def _periods(periods: Sequence[Month], period: str) -> Html:
    rows = [
        _row(
            joined(month(each.start, period), *([] if each.is_over else [element("span", "not over", class_="small")])),
            score(each.counts),
            _ends(each),
            f"{each.counts.responses:,}",
        )
        for each in reversed(periods)
    ]
    head = [period.capitalize(), "NPS", "95% interval", "Responses"]
    return _table(f"NPS by {period}", head, rows, kind="figures")


def _ends(each: Month) -> str:
    if not each.counts.has_interval or each.low is None or each.high is None:
        return interval(each.counts)
    return between(each.low, each.high)


def scores(figures: Figures) -> Html:
    """How often each score was given."""
    total = figures.now.counts.responses
    if not total:
        return Html("")
    most = max(figures.scores)
    rows = [
        _row(
            str(given),
            charts.bar(number / most, _kind(given)),
            f"{number:,}",
            percent(number, total),
        )
        for given, number in reversed(list(enumerate(figures.scores)))
    ]
    counts = dict(zip(CATEGORIES, figures.now.counts, strict=True))
    legend = [
        element(
            "li",
            element("span", class_=f"swatch {category}", aria_hidden="true"),
            f"{name}: {counts[category]:,}, {percent(counts[category], total)}",
        )
        for category, name in KINDS.items()
    ]
    return _section(
        "scores",
        "What they gave",
        charts.parts([(category, counts[category] / total) for category in KINDS]),
        element("ul", *legend, class_="legend"),
        _table("Responses by score", ["Score", "", "Responses", "Share"], rows, kind="scores"),
    )


def _kind(given: int) -> str:
    return "promoter" if given > 8 else "passive" if given > 6 else "detractor"


def dimensions(figures: Figures) -> Iterator[Html]:
    """Which parts of the answers differ from the rest."""
    counts = figures.now.counts
    of = _axis([*figures.dimensions, *filter(None, [figures.tags])], counts)
    for number, each in enumerate(figures.dimensions):
        title = "Who differs, by survey" if each.name == "Survey" else joined("Who differs, by ", isolated(each.name))
        yield _forest(f"segment-{number}", title, each, counts, of)
    if figures.tags is not None:
        yield _forest("tags", "What they talk about", figures.tags, counts, of)


def _axis(shown: Sequence[Dimension], total: Counts) -> charts.Axis:
    """One for all pictures, so that they can be compared."""
    groups = [each.counts for dimension in shown for each in dimension.groups if each.counts.has_interval]
    return charts.axis([end for counts in [*groups, *[total] * bool(groups)] for end in (counts.low, counts.high)])


def _forest(identity: str, title: str, dimension: Dimension, total: Counts, of: charts.Axis) -> Html:
    groups = [each for each in dimension.groups if each.counts.responses]
    if not groups:
        return _section(identity, title, element("p", "No answer of this window has any."))
    reference = total.nps if total.has_point else None
    rows = [_group(each, of, reference) for each in groups]
    name = "Group" if dimension.name != "Tag" else "Tag"
    picture = joined(element("span", "Interval", class_="hidden"), charts.scale(of))
    return _section(
        identity,
        title,
        element("p", *_about(dimension, groups, reference), class_="about"),
        _table("", [name, "NPS", picture], rows, kind="forest", title_of=identity),
    )


def _about(dimension: Dimension, groups: Sequence[Group], reference: float | None) -> Iterator[str]:
    differing = [each for each in groups if each.differs]
    if differing:
        names = [isolated(each.name) for each in differing]
        listed = Html(", ".join(names))
        yield joined(element("strong", listed), f" {'differs' if len(names) == 1 else 'differ'} from the rest. ")
    elif any(each.z is not None for each in groups):
        yield "None differs from the rest by more than chance. "
    if reference is not None:
        yield f"Dashed: all, {signed(reference)}. "
    if dimension.others:
        yield f"{counted(dimension.others, 'smaller one')} not shown."


def _group(each: Group, of: charts.Axis, reference: float | None) -> Html:
    tone = ("above" if (each.z or 0) > 0 else "below") if each.differs else ""
    name = [element("span", isolated(each.name), class_="name")]
    name.append(element("span", counted(each.counts.responses, "response"), class_="small"))
    if each.differs:
        told = "▲ higher than the rest" if tone == "above" else "▼ lower than the rest"
        name.append(element("span", told, class_=f"small {tone}"))
    counts = each.counts
    figure = [element("span", score(counts), class_="name")] if counts.has_point else []
    ends = [element("span", interval(counts), class_="small")]
    return _row(joined(*name), joined(*figure, *ends), charts.whisker(counts, of, reference, tone))


def movers(figures: Figures) -> Html:
    """Who answered before and again, and where they went."""
    found = figures.movers
    total = sum(found.values())
    title = "Who moved"
    known = figures.known
    earlier = f" before, from {day(known.first_day)} on" if known.first_day else " before"
    if not total:
        return _section("movers", title, element("p", f"Nobody who answered in this window had answered{earlier}."))
    up, down = (
        sum(people for (was, now), people in found.items() if (RANKS[now] - RANKS[was]) * sign > 0) for sign in (1, -1)
    )
    told = (
        f"Of {counted(total, 'person')}".replace("persons", "people")
        + f" who had answered{earlier}, {up:,} moved up, {down:,} down, and {total - up - down:,} stayed."
    )
    rows = []
    for was in CATEGORIES:
        people_of_row = sum(found.get((was, now), 0) for now in CATEGORIES)
        cells = [_moved(found.get((was, now), 0), people_of_row, was, now) for now in CATEGORIES]
        rows.append(element("tr", element("th", f"Was {was}", scope="row"), *cells))
    head = ["Last answer before", *(f"Now {now}" for now in CATEGORIES)]
    return _section(
        "movers",
        title,
        element("p", told, class_="about"),
        _table("People by their last answer before the window and their last answer in it", head, rows, kind="movers"),
    )


def _moved(people: int, of: int, was: str, now: str) -> Html:
    kind = "same" if was == now else "up" if RANKS[now] > RANKS[was] else "down"
    share_of_row = [element("span", f"{percent(people, of)} of them", class_="small")] if of >= POINT_MIN else []
    return element("td", element("span", f"{people:,}", class_="name"), *share_of_row, class_=kind)


def surveys(figures: Figures) -> Html:
    """Every survey with its scale, how that is known, and its own figure."""
    rows = [
        _row(
            joined(
                element("span", "No survey" if each.survey_id is None else f"Survey {each.survey_id}", class_="name"),
                element("span", _scale(each), class_="small"),
            ),
            f"{each.responses:,}",
            _own_figure(each),
        )
        for each in figures.surveys
    ]
    if not rows:
        return Html("")
    undecided = [each for each in figures.surveys if each.metric is None]
    told = [
        element(
            "p",
            "A survey whose scale is undecided is in no figure; the setting surveys says what it is.",
            class_="about",
        )
    ]
    return _section(
        "surveys",
        "Surveys",
        *(told if undecided else []),
        _table("Surveys, their scales and figures", ["Survey", "Responses", "Figure"], rows, kind="surveys"),
    )


def _scale(each: Survey) -> str:
    if each.metric is None:
        return "scale undecided: in no figure"
    best = each.score_max or 10
    named = METRICS[each.metric].format(best, best - 1, best)
    odd = "; some scores are beyond it" if not each.fits else ""
    return f"{named}, {KNOWN_BY.get(each.known_by, each.known_by)}{odd}"


def _own_figure(each: Survey) -> Html:
    if each.metric is None:
        return Html("–")
    if each.metric == "nps":
        figure, ends = score(each.counts), interval(each.counts)
    else:
        of = share(each.good, each.responses) if each.responses >= INTERVAL_MIN else None
        figure = percent(of.share) if of and each.responses >= POINT_MIN else "–"
        ends = percents(of.low, of.high) if of else "too few"
    return joined(element("span", figure, class_="name"), element("span", ends, class_="small"))


def comments(figures: Figures) -> Html:
    """The latest comments, if they were asked for."""
    if not figures.wanted.comments:
        return Html("")
    if figures.comments_missing or not figures.comments:
        told = figures.comments_missing or "No answer of this window has a comment."
        return _section("comments", "Latest comments", element("p", told))
    items = [
        element(
            "li",
            element("p", *_about_comment(each), class_="small"),
            element("p", harmless(each.text, COMMENT_MAX), dir_="auto", class_="comment"),
        )
        for each in figures.comments
    ]
    return _section("comments", "Latest comments", element("ol", *items, class_="comments"))


def _about_comment(each: Comment) -> Iterator[str]:
    yield element("span", str(each.score), class_=f"given {each.category}")
    yield f" {each.category}, {day(each.local_date)}"
    if each.survey_id is not None:
        yield f", survey {each.survey_id}"


def method(figures: Figures) -> Html:
    """What was counted and what was not, and by which formulas."""
    items = [element("li", told) for told in [*_counting(figures), *_formulas(figures)]]
    return _section("method", "What was counted, and how", element("ul", *items, class_="method"))


def _counting(figures: Figures) -> Iterator[str]:
    counts, left = figures.now.counts, figures.left_out
    yield (
        f"{counted(left.responses, 'response')} from {span(figures.window)}; counted are {counts.responses:,}: "
        f"{counts.promoters:,} promoters, {counts.passives:,} passives, {counts.detractors:,} detractors."
    )
    reasons = {
        "of surveys whose scale is undecided": left.undecided,
        "of surveys that are CSAT or CES": left.other_metric,
        "without a score of 0 to 10": left.no_score,
        "excluded from calculations in Wootric": left.excluded,
        "not complete": left.incomplete,
    }
    if told := ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number):
        yield f"Not counted: {told}."
    if left.counted_incomplete:
        incomplete = f"{left.counted_incomplete:,}; see the setting counting."
        yield f"Counted though Wootric does not call them complete: {incomplete}"
    people = figures.people
    if people.has_point and people != counts:
        yield (
            f"Each person’s latest answer alone, which is another number: NPS {signed(people.nps)} "
            f"({interval(people)}) of {people.responses:,} people."
        )
    if figures.before is None:
        whether, why = moved(figures)
        yield f"{whether}. {why}"
        return
    before = figures.before.counts
    yield (
        f"Compared with {span(figures.window.before)}: {before.responses:,} responses, of them {before.promoters:,} "
        f"promoters and {before.detractors:,} detractors."
    )


def _formulas(figures: Figures) -> Iterator[str]:
    yield "NPS = 100 × (promoters − detractors) / responses. Counts are added up; scores are never averaged."
    yield (
        "95% interval (adjusted Wald): n′ = n + 3, p = (promoters + 0.75) / n′, d = (detractors + 0.75) / n′, "
        "100 × (p − d ± 1.96 × √((p + d − (p − d)²) / n′)). "
        "Its ends are rounded outwards. "
        f"Below {INTERVAL_MIN} responses there are counts only, below {POINT_MIN} no score."
    )
    yield (
        "A score moved, or a group differs, where its p − d is further from the other than 1.96 standard errors of "
        "that difference. Groups are compared with all other answers; since several are looked at in a picture, Holm’s "
        "correction raises the bar."
    )
    yield (
        f"Answered = responses / (responses + {figures.now.declines:,} declines). Who never opened an e-mail leaves no "
        "row, so this is not the response rate of a mailing."
    )
    if any(each.metric in ("csat", "ces") for each in figures.surveys):
        yield "Intervals of shares are those of Agresti and Coull: two answers of each kind are added."


def _section(identity: str, title: str, *content: Html, kind: str = "") -> Html:
    heading = element("h2", title, id_=identity)
    return element("section", heading, *content, class_=kind or False, aria_labelledby=identity)


def _table(caption: str, head: Sequence[str], rows: Sequence[Html], *, kind: str, title_of: str = "") -> Html:
    cells = [element("th", each, scope="col") if each else element("td") for each in head]
    return element(
        "table",
        *([element("caption", caption, class_="hidden")] if caption else []),
        element("thead", element("tr", *cells)),
        element("tbody", *rows),
        class_=kind,
        aria_labelledby=title_of or False,
    )


def _row(name: str, *cells: str) -> Html:
    return element("tr", element("th", name, scope="row"), *(element("td", each) for each in cells))
