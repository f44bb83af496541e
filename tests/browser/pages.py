"""A page that holds what is hardest to show: long, hostile and right-to-left names, few answers, partial days."""

from dataclasses import replace
from datetime import date, datetime, timezone

from tests.unit.test_page import FIGURES, NOW
from wootric_pipeline.insight.page.document import document
from wootric_pipeline.insight.page.figures import Comment, Dimension, Group, Known, Survey, Verdict, Wanted
from wootric_pipeline.insight.statistics import Counts
from wootric_pipeline.insight.zones import AccountZone

NAMES = (
    "W" * 200,
    "<script>document.title = 'broken'</script>",
    "\u202eright to left\u202c",
    "خدمة العملاء ممتازة جدا وسريعة",
    "とても使いやすいです。" * 12,
    "👩\u200d👩\u200d👧\u200d👦" * 30,
    "one two three four five six seven eight nine ten eleven twelve",
    "",
)


def hostile_page() -> str:
    groups = [Group(name, NOW, 2.5, differs=number % 2 == 0) for number, name in enumerate(NAMES)]
    groups += [Group("few", Counts(9, 2, 1), None), Group("one", Counts(1), None)]
    at = datetime(2024, 3, 10, tzinfo=timezone.utc)
    comments = [Comment(date(2024, 3, 10), 10**15, 7, "passive", f"{name} {name}" * 9) for name in NAMES]
    kinds = (("csat", 5, "setting"), ("ces", 7, "range"), (None, None, "undecided"))
    surveys = [Survey(10**15, metric, best, known_by, False, 40, NOW, 31) for metric, best, known_by in kinds]
    figures = replace(
        FIGURES,
        wanted=Wanted(comments=len(NAMES)),
        known=Known(AccountZone("America/Argentina/ComodRivadavia", "assumed"), at,
                    Verdict("equal, counted differently", at, "there, excluded responses count, too"),
                    first_day=date(2024, 2, 1)),
        before=None,
        dimensions=[Dimension(name, groups) for name in NAMES[:3]],
        tags=Dimension("Tag", groups, 3),
        movers={("promoter", "detractor"): 12_345, ("passive", "passive"): 3, ("detractor", "promoter"): 1},
        surveys=surveys,
        comments=comments,
    )  # fmt: skip
    return document(figures)
