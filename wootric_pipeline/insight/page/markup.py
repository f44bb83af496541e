"""HTML of pieces of which each is escaped, unless it is HTML itself: nothing that an account holds can be markup."""

import re
import unicodedata
from html import escape

_NAME_MAX = 60
_BIDI = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
"""What turns the direction of the text around it, and of what follows; the page sets directions itself."""


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | bool) -> Html:
    """An element; children that are no `Html` are escaped.

    >>> element("p", "1 < 2", class_="small")
    '<p class="small">1 &lt; 2</p>'

    Args:
        name: Of the element.
        children: What is in it.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; true has no value, and false is left out.
    """
    return Html(f"<{name}{_attributes(attributes)}>{joined(*children)}</{name}>")


def void(name: str, /, **attributes: str | bool) -> Html:
    """An element that has nothing in it and no end."""
    return Html(f"<{name}{_attributes(attributes)}>")


def joined(*children: str) -> Html:
    """Pieces one after the other, escaped where they are no `Html`."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))


def _attributes(attributes: dict[str, str | bool]) -> str:
    found = []
    for name, value in attributes.items():
        spelled = name.rstrip("_").replace("_", "-")
        if value is True:
            found.append(f" {spelled}")
        elif value is not False:
            found.append(f' {spelled}="{escape(str(value))}"')
    return "".join(found)


def isolated(text: str, length_max: int = _NAME_MAX) -> Html:
    """What an account holds, in its own direction, whatever surrounds it."""
    return element("bdi", harmless(text, length_max))


def harmless(text: str, length_max: int) -> str:
    r"""A text in one line, cut, without what controls terminals, directions or printers.

    >>> harmless("a\u202eb\x00\n c", 3)
    'ab…'
    """
    plain = text.translate(_BIDI)
    plain = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in plain)
    plain = "".join("\ufffd" if unicodedata.category(each) in ("Cs", "Co", "Cn") else each for each in plain)
    plain = re.sub(r"\s+", " ", plain).strip()
    return plain if len(plain) <= length_max else f"{plain[: length_max - 1].rstrip()}…"
