"""What stands in README.md, CONTRIBUTING.md and docs/: their sections, tables, links, and fenced blocks of code.

Tests take blocks from here. Whoever takes one while its module is imported has it noted in `TESTED`; a block that
nobody takes fails `test_documents.py`.
"""

import re
import shlex
from typing import NamedTuple

from .conftest import PROJECT

FILES = sorted(PROJECT.glob("docs/*.md"))
DOCUMENTS = {
    path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *FILES)
}
README = DOCUMENTS["README.md"]
TEXT = "\n".join(DOCUMENTS.values())

COMMAND = "wootric-pipeline"
THIS_REPOSITORY = "<this repository>"

AWAITED: frozenset[str] = frozenset()
"""What the documents speak of and is not there yet. A test fails for what has come and is still named here."""


class Block(NamedTuple):
    """A fenced block of code.

    Attributes:
        document: Its file, relative to the project.
        line: On which it opens, from 1.
        language: What stands behind the fence; may be empty.
        text: What is between the fences.
    """

    document: str
    line: int
    language: str
    text: str


def _blocks(document: str) -> list[Block]:
    text = DOCUMENTS[document]
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(document, text.count("\n", 0, each.start()) + 1, each[1], each[2]) for each in found]


BLOCKS = [each for document in DOCUMENTS for each in _blocks(document)]
TESTED: set[Block] = set()


def blocks(*languages: str) -> list[Block]:
    """All blocks in some languages, to be tested alike."""
    found = [each for each in BLOCKS if each.language in languages]
    TESTED.update(found)
    return found


def block(language: str, containing: str, document: str = "") -> str:
    """The one block in a language that contains a text, in one document or in all; to be tested."""
    named = [each for each in BLOCKS if each.language == language and document in ("", each.document)]
    (only,) = [each for each in named if containing in each.text]
    TESTED.add(only)
    return only.text


def section(document: str, title: str) -> str:
    """The text below a heading of the second level."""
    found = re.split(r"^## (.*)\n", DOCUMENTS[document], flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))[title]


def table(document: str, title: str) -> list[list[str]]:
    """The cells of the first table in a section, row by row, without its head."""
    lines = section(document, title).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r" \|(?: |$)", line[2:])[:-1]])
    return rows


def named_in_code(text: str) -> list[str]:
    """What stands between backticks in a text, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def with_comments(toml: str) -> str:
    """A snippet with its commented lines in force."""
    return re.sub(r"^# (?=\w+ = )", "", toml, flags=re.MULTILINE)


def with_lines(python: str) -> str:
    """An example with its commented lines in force."""
    return re.sub(r"^( *)# (?=\"\w+\": |\w+\[)", r"\1", python, flags=re.MULTILINE)


def shell_lines(text: str) -> list[str]:
    """The commands of a block, one each, without what is explained behind."""
    without_comments = (re.sub(r"\s+#.*", "", line) for line in text.splitlines())
    return [command for line in without_comments for command in line.split(" && ")]


def words(line: str) -> list[str]:
    """The words of a command, with the program's name alone, wherever it is installed."""
    name, *others = shlex.split(re.sub(r"\.venv(/bin/|\\Scripts\\)", "", line).replace(THIS_REPOSITORY, "REPOSITORY"))
    return [name, *others]
