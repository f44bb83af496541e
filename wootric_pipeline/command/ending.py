"""How runs have ended: what is printed of them, and the exit code."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import report
from .failures import explain
from .pipeline import PIPELINE_NAME
from .run import Run


@dataclass
class Ending:
    """How a run has ended.

    Attributes:
        run: Its notes.
        account: The name of the account; empty where none was named.
        about: Which pipeline, and where to.
        text: The report for people.
        sentence: What failed; empty if nothing did.
        code: For the exit: 0 complete, 2 a mistake of the user's, 1 anything else.
        is_stopped: Whether somebody has interrupted it.
    """

    run: Run = field(default_factory=lambda: Run(isolates_tables=True))
    account: str = ""
    about: dict[str, str] = field(default_factory=lambda: {"pipeline": PIPELINE_NAME, "destination": "", "dataset": ""})
    text: str = ""
    sentence: str = ""
    code: int = 0
    is_stopped: bool = False

    def fail(self, error: BaseException) -> None:
        """Notes why the run has failed."""
        self.text, (self.sentence, self.code) = "", explain(error)
        self.is_stopped = isinstance(error, KeyboardInterrupt)

    def as_json(self) -> Mapping[str, Any]:
        """The report for machines."""
        whose = {"account": self.account} if self.account else {}
        return {**whose, **report.as_json(self.run, **self.about, error=self.sentence or None)}


class Teller:
    """Prints reports to stdout and what failed to stderr, as runs end.

    Args:
        is_json: Whether the reports are for machines; those of several accounts are a list.

    Attributes:
        is_of_several: Whether each account is told by its name.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_of_several = False
        self._is_json = is_json
        self._reports: list[Mapping[str, Any]] = []
        self._code = 0

    def tell(self, ending: Ending) -> None:
        """Tells how a run has ended."""
        whose = f"{ending.account}: " if self.is_of_several and ending.account else ""
        if self._is_json:
            self._reports.append(ending.as_json())
        elif ending.text:
            self._print(f"{whose.rstrip(' ')}\n{ending.text}\n" if whose else ending.text)
        if ending.sentence:
            print(f"{whose}{ending.sentence}", file=sys.stderr)
        self._code = max(self._code, ending.code)

    def finish(self) -> int:
        """Tells what is told when all runs have ended; the exit code, which is the highest of theirs."""
        if self._is_json:
            self._print(json.dumps(self._reports if self.is_of_several else self._reports[0]))
        return self._code

    def _print(self, text: str) -> None:
        """Prints a report; that its reader has gone, as in `| head -1`, is no failure."""
        try:
            print(text, flush=True)
        except OSError as error:
            # Python would try again, and complain, when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                sentence, code = explain(error)
                print(sentence, file=sys.stderr)
                self._code = max(self._code, code)
