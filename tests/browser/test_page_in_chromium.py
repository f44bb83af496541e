"""The report page in a real browser: what it asks for, whether it can be read, on a phone, in the dark, and printed."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs playwright")

pytestmark = pytest.mark.xdist_group("browser")

SIZES = {"phone": (360, 740), "desktop": (1280, 900)}
SCHEMES = ("light", "dark")
TEXT_SIZE_MIN = 12
CONTRAST_MIN = 4.5
MARK_CONTRAST_MIN = 3.0
A4 = (8.27 * 96, 11.69 * 96)

COLOURS = """
const parse = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
const over = (top, below) => ({
  r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a),
  b: top.b * top.a + below.b * (1 - top.a), a: 1});
const behind = element => {
  const layers = [];
  for (let each = element; each; each = each.parentElement) layers.push(parse(getComputedStyle(each).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), {r: 255, g: 255, b: 255, a: 1});
};
const luminance = ({r, g, b}) => {
  const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const contrast = (one, other) => {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};
const texts = () => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && !element.closest('.hidden')) found.push(element);
  }
  return [...new Set(found)];
};
"""
TEXTS = f"""() => {{ {COLOURS}
  return texts().map(element => ({{
    text: element.textContent.slice(0, 40),
    size: parseFloat(getComputedStyle(element).fontSize),
    contrast: contrast(parse(getComputedStyle(element).color), behind(element)),
  }}));
}}"""
MARKS = f"""() => {{ {COLOURS}
  const found = [];
  for (const mark of document.querySelectorAll('.interval, .score, circle, .bar rect, .parts rect, .volume rect')) {{
    const style = getComputedStyle(mark), below = behind(mark.closest('svg').parentElement);
    const seen = [style.fill, style.stroke].filter(each => each !== 'none').map(each => contrast(parse(each), below));
    found.push({{kind: mark.getAttribute('class'), contrast: Math.max(...seen)}});
  }}
  return found;
}}"""
CUT = """() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  const beyond = box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5;
  const isText = [...element.childNodes].some(each => each.nodeType === 3 && each.data.trim());
  return isText && !element.closest('.hidden') && (beyond || element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).display !== 'inline');
}).map(element => element.textContent.slice(0, 60))"""
OVERLAPS = """() => {
  const found = [];
  for (const labels of document.querySelectorAll('.x, .scale, .y')) {
    const boxes = [...labels.children].map(each => each.getBoundingClientRect());
    for (const [a, b] of boxes.flatMap((a, i) => boxes.slice(i + 1).map(b => [a, b])))
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) found.push(labels.textContent);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        # As root, in containers, it has no sandbox of its own; what it shows are our own pages.
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


class Shown:
    """A page as it is shown."""

    def __init__(self, browser: Any, file: Path, size: str = "desktop", scheme: str = "light") -> None:
        width, height = SIZES[size]
        self.page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(file.as_uri())


@pytest.fixture(params=itertools.product(SIZES, SCHEMES), ids="-".join)
def shown(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Shown]:
    found = Shown(browser, page_file, *request.param)
    yield found
    found.page.close()


def test_it_asks_for_nothing_and_complains_of_nothing(shown: Shown, page_file: Path) -> None:
    assert shown.asked == [page_file.as_uri()]
    assert shown.said == []
    assert shown.page.title().startswith("NPS, ")


def test_all_text_is_large_and_dark_enough(shown: Shown) -> None:
    texts = shown.page.evaluate(TEXTS)
    assert len(texts) > 100
    assert [each for each in texts if each["size"] < TEXT_SIZE_MIN or each["contrast"] < CONTRAST_MIN] == []


def test_all_marks_stand_out(shown: Shown) -> None:
    marks = shown.page.evaluate(MARKS)
    assert len(marks) > 30
    assert [each for each in marks if each["contrast"] < MARK_CONTRAST_MIN] == []


def test_nothing_is_cut_and_nothing_overlaps(shown: Shown) -> None:
    width = shown.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] == width[1]
    assert shown.page.evaluate(CUT) == []
    assert shown.page.evaluate(OVERLAPS) == []


def test_the_first_screen_has_the_score_its_interval_and_whether_it_moved(browser: Any, demo_page: Path) -> None:
    for size, (_, height) in SIZES.items():
        page = Shown(browser, demo_page, size).page
        for part in (".hero .figure", ".certain", ".moved"):
            box = page.locator(part).bounding_box()
            assert box["y"] + box["height"] <= height, (size, part)
        page.close()


def test_the_policy_is_kept_by_the_browser(browser: Any, demo_page: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    text = demo_page.read_text("utf-8")
    file.write_text(text.replace("</main>", "<img src='x.png'><script>document.title = 'run'</script></main>"), "utf-8")
    shown = Shown(browser, file)
    assert sorted("Content Security Policy" in each for each in shown.said) == [True, True]
    assert shown.page.title() != "run"
    shown.page.close()


def test_it_is_a_tree_of_headings_and_tables_for_screen_readers(browser: Any, demo_page: Path) -> None:
    page = Shown(browser, demo_page).page
    tables = page.get_by_role("table").count()
    assert tables == page.locator("table").count() >= 7
    names = [page.get_by_role("table").nth(number).aria_snapshot().splitlines()[0] for number in range(tables)]
    assert all(name.startswith('- table "') for name in names), names
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("img", name="NPS by month").count() == 1
    assert page.get_by_role("rowheader").count() == page.locator("tbody tr").count()
    page.close()


def test_right_to_left_text_begins_at_the_right(browser: Any, demo_page: Path) -> None:
    page = Shown(browser, demo_page).page
    arabic = page.locator(".comment", has_text="خدمة").or_(page.locator(".comment", has_text="التطبيق"))
    assert arabic.count() >= 1
    assert arabic.first.evaluate("element => getComputedStyle(element).direction") == "rtl"
    assert page.locator(".small").first.evaluate("element => getComputedStyle(element).direction") == "ltr"
    page.close()


def test_it_prints_on_full_pages(browser: Any, page_file: Path) -> None:
    shown = Shown(browser, page_file, scheme="dark")
    shown.page.emulate_media(media="print", color_scheme="dark")
    shown.page.set_viewport_size({"width": int(A4[0]) - 98, "height": int(A4[1])})
    texts = shown.page.evaluate(TEXTS)
    assert [each for each in texts if each["size"] < TEXT_SIZE_MIN or each["contrast"] < CONTRAST_MIN] == []
    assert shown.page.evaluate(OVERLAPS) == []
    filled = filled_parts(shown.page.pdf(prefer_css_page_size=True))
    assert 2 <= len(filled) <= (4 if page_file.parent.name.startswith("demo") else 8)
    assert [part for part in filled[:-1] if part < 0.75] == [], filled
    shown.page.close()


def filled_parts(pdf: bytes) -> list[float]:
    """Down to where each page of a document has something on it, as a share of its height."""
    pypdfium2 = pytest.importorskip("pypdfium2", reason="make test-browser installs pypdfium2")
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        image = page.render(scale=0.5).to_pil().convert("L")
        lowest = image.point(lambda value: 255 * (value < 200)).getbbox()
        found.append(lowest[3] / image.height if lowest else 0.0)
    return found


def test_each_number_of_the_page_is_one_of_the_marts(browser: Any, demo_page: Path) -> None:
    """What a reader sees in the browser is what the marts hold, at a glance: the whole is compared without one."""
    import duckdb

    page = Shown(browser, demo_page).page
    with duckdb.connect(str(demo_page.parent / "wootric_demo.duckdb"), read_only=True) as connection:
        months = connection.execute(
            "SELECT strftime(period_start, '%b %Y'), responses FROM wootric_marts.mart_nps_periods "
            "WHERE period = 'month' AND scope = 'all' ORDER BY period_start DESC LIMIT 13"
        ).fetchall()
    rows = page.locator(".figures tbody tr").all_inner_texts()
    assert [(row.split()[0], row.split()[1], row.split()[-1]) for row in rows] == [
        (*month.split(), f"{responses:,}") for month, responses in months
    ]
    page.close()
