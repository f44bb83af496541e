"""The page as one file: no script, nothing from elsewhere, and a policy that forbids both."""

from functools import cache
from importlib.resources import files

from . import sections
from .figures import Figures
from .markup import Html, element, joined, void
from .words import span

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(figures: Figures) -> str:
    """The whole page, in HTML."""
    head = element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=POLICY),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        # Browsers would ask for a file of the server's otherwise.
        void("link", rel="icon", href="data:,"),
        element("title", f"NPS, {span(figures.window)}"),
        element("style", Html(_style())),
    )
    main = element(
        "main",
        sections.head(figures),
        sections.tiles(figures),
        sections.trend(figures),
        element(
            "div",
            sections.scores(figures),
            *sections.dimensions(figures),
            sections.movers(figures),
            sections.surveys(figures),
            class_="sections",
        ),
        sections.comments(figures),
        sections.method(figures),
    )
    return f"<!DOCTYPE html>\n{element('html', head, joined(element('body', main)), lang='en')}\n"


@cache
def _style() -> str:
    return (files(__package__) / "style.css").read_text(encoding="utf-8")
