"""Reads a page as a reader sees it: its headings, its tables, and what is written between them."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"meta", "link"}
BLOCKS = {"p", "li", "dt", "dd", "h3", "div"}
Table = list[list[str]]


class Page(HTMLParser):
    """A page that is well-formed.

    Args:
        text: In HTML.

    Attributes:
        elements: Each with its attributes, in order.
        sections: What is written in each, without its tables, by the text of its heading.
        tables: The rows of each, with the row of heads, by the text of the heading before it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.tables: dict[str, Table] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._heading = ""
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))
        if tag == "table":
            self.tables[self._heading] = []
        elif tag == "tr":
            self.tables[self._heading].append([])
        elif tag in ("td", "th"):
            self.tables[self._heading][-1].append("")
        elif tag in ("h1", "h2"):
            self._heading = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag
        if tag in ("h1", "h2"):
            self._heading = _tidy(self._heading)
            self.sections[self._heading] = ""
        elif tag in BLOCKS or (tag == "span" and "table" in self._tags):
            self._write(" ")

    def handle_data(self, data: str) -> None:
        is_hidden = any(about.get("class") == "hidden" or "aria-hidden" in about for _, about in self._open)
        if {"h1", "h2"} & set(self._tags):
            self._heading += data
        elif not is_hidden and "body" in self._tags and "caption" not in self._tags:
            self._write(data)

    @property
    def _tags(self) -> list[str]:
        return [tag for tag, _ in self._open]

    def _write(self, data: str) -> None:
        if {"td", "th"} & set(self._tags):
            row = self.tables[self._heading][-1]
            row[-1] = _tidy(row[-1] + data)
        elif "table" not in self._tags:
            self.sections[self._heading] = _tidy(self.sections.get(self._heading, "") + data)

    def rows(self, heading: str) -> Iterator[list[str]]:
        """Of a table, without its heads."""
        for row in self.tables[heading][1:]:
            yield [cell.strip() for cell in row]

    @property
    def text(self) -> str:
        """All that is written."""
        cells = " ".join(cell for table in self.tables.values() for row in table for cell in row)
        return " ".join([*self.sections, *self.sections.values(), cells])


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text)
