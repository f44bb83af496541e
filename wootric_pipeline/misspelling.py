"""Settings that nothing would read: a misspelled name, or a right one in the wrong section.

dlt ignores them in silence, and what `exclude_column` was to leave out would be loaded.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .dlt_internals import active_pipeline_name, pipeline_settings, settings_documents
from .errors import ConfigurationError
from .settings import shown
from .tables import ALL_TABLES

Path = tuple[str, ...]
"""Sections and the name of a setting: `("sources", "wootric", "start_date")`."""

SOURCES, PIPELINES = "sources", "pipelines"
SOURCE: Path = (SOURCES, "wootric")
OF_COMMAND = (
    "checkpoint_minutes",
    "counting",
    "deleted_requests_max",
    "keep_runs",
    "marts",
    "notify_url",
    "repair_requests_max",
    "surveys",
    "time_zone",
    "verify_after_load",
)
OF_DLT = ("max_table_nesting", "root_key", "schema_contract")
SECTIONS = (*ALL_TABLES, "schema", "data_writer", "extract", "normalize", "load", *OF_DLT)
"""What may have settings of its own below `[sources.wootric]`: a resource, or something of dlt's."""
TABLES_OF_SETTINGS = ("surveys",)
"""Settings that are tables themselves."""
CLONE = re.compile("wootric[_0-9]")
"""How the name of one begins, as in `wootric_eu`."""
NOT_OURS = ("wootric_pipeline",)
"""Sections of which a user could think that they are the source's."""

FORMER = {"rescan_days": "staleness"}
"""What replaces settings of former versions."""
OURS_ALONE = (
    "account_token",
    "exclude_columns",
    "hash_columns",
    "hash_normalized_emails",
    "lookback_seconds",
    "staleness",
    "staleness_days_max",
    "last_responses_max",
    "daily_history_requests_max",
)
"""Settings that no other source has; what is much alike is meant for them, wherever it stands."""
OF_OTHERS = ("excluded_columns",)
"""What is alike, and is a setting of a source of dlt's."""
DESTINATION = "destination"

NEAR, CERTAIN, SURE = 0.6, 0.8, 0.9
"""How alike names are: of a section that is ours whatever is in it, of one that may be somebody else's, and of none."""


def refuse_misspelled(
    arguments: Collection[str], pipeline: str | None = None, other_accounts: Collection[str] = ()
) -> None:
    """Raises ConfigurationError if there is a setting for the source, or the pipeline, that nothing would read.

    Args:
        arguments: The names of the source's arguments.
        pipeline: The name of the pipeline whose settings are to be looked at as well; None looks at the source's alone.
        other_accounts: The names of accounts whose own settings are of no account here.
    """
    of_source, pipeline_name = (*arguments, *OF_COMMAND), pipeline or active_pipeline_name() or ""
    names = _Names(of_source, pipeline_name, bool(pipeline), frozenset(other_accounts))
    for path in _paths_in_files():
        if (right := names.right_path(path)) is not None:
            section = ".".join(path[:-1])
            where = f" under [{shown(section)}]" if section else ""
            _refuse(f"{shown(path[-1])}{where}", _in_file(path, right), names.like(right))
    for variable in os.environ:
        # Single underscores are a slip, too; where dlt would look, there are two, and capitals.
        path = tuple(re.sub("^(sources?)_+(wootric)_+", r"\1__\2__", variable.lower()).split("__"))
        right = names.right_path(path)
        if right is None and names.is_of_source(path) and variable != "__".join(path).upper():
            right = path
        if right is not None:
            _refuse(shown(variable), "__".join(right).upper() if right[-1] else "", names.like(right))


def refuse_misspelled_of_destination(name: str, known: Collection[str]) -> None:
    """Raises ConfigurationError if a setting of a destination, which dlt would ignore, is much like one that there is.

    Args:
        name: Of the destination.
        known: The names of its settings.
    """
    for path in _paths_in_files():
        if path[:2] == (DESTINATION, name) and (nearest := _nearest_unknown(path[2:], known)):
            _refuse(f"{shown(path[-1])} under [{DESTINATION}.{shown(name)}]", nearest, known)
    for variable in os.environ:
        path = _path_of(variable)
        if path[:2] == (DESTINATION, name) and (nearest := _nearest_unknown(path[2:], known)):
            _refuse(shown(variable), "__".join((DESTINATION, name, nearest)).upper(), known)


def settings_paths() -> Iterator[Path]:
    """Of all settings that dlt could read, in files and in the environment."""
    yield from _paths_in_files()
    yield from map(_path_of, os.environ)


def _paths_in_files() -> Iterator[Path]:
    for document in settings_documents():
        yield from _paths(document, ())


def _path_of(variable: str) -> Path:
    return tuple(variable.lower().split("__"))


def _nearest_unknown(path: Path, known: Collection[str]) -> str:
    return _nearest(path[0], known, CERTAIN) if len(path) == 1 and path[0] not in known else ""


def _paths(document: Mapping[str, Any], sections: Path) -> Iterator[Path]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*sections, str(name)))
        else:
            yield (*sections, str(name))


def _in_file(path: Path, right: Path) -> str:
    """What is to be written in place of a name, with the section if that is another; nothing if there is no name."""
    return f"{right[-1]} under [{'.'.join(right[:-1])}]" if right[-1] and right[:-1] != path[:-1] else right[-1]


def _refuse(what: str, nearest: str, choice: Iterable[str]) -> None:
    if nearest:
        raise ConfigurationError(f"There is no setting {what}; the nearest is {nearest}.")
    raise ConfigurationError(f"There is no setting {what}; choose from {', '.join(sorted(choice))}.")


@dataclass(frozen=True)
class _Names:
    """The names there are.

    Attributes:
        of_source: Below `[sources.wootric]`.
        pipeline: The pipeline's own, which is a section that may stand before all others.
        checks_pipeline: Whether `[pipelines.<pipeline>]` is looked at.
        other_accounts: Whose own settings are not.
    """

    of_source: tuple[str, ...]
    pipeline: str
    checks_pipeline: bool
    other_accounts: frozenset[str]

    def right_path(self, path: Path) -> Path | None:
        """None, if something reads the setting; else where it belongs, with an empty name if none is near."""
        if len(path) > 1 and path[0] == self.pipeline and path[1] == SOURCES:
            path = path[1:]
        if self.is_of_source(path):
            return self._in_source(path[2:])
        if self._is_near_source(path):
            return (*SOURCE, _nearest(path[-1], self.of_source))
        if self.checks_pipeline and len(path) > 2 and path[1] == self.pipeline:
            return self._in_pipeline(path)
        if len(path) > 1 and path[0] != DESTINATION and _nearest(path[0], (DESTINATION,), SURE):
            return (DESTINATION, *path[1:])
        return self._in_no_section(path)

    def like(self, path: Path) -> Iterable[str]:
        """All that there are where a path leads."""
        return self.of_source if self.is_of_source(path) else pipeline_settings()

    @staticmethod
    def is_of_source(path: Path) -> bool:
        """Whether a path leads below `[sources.wootric]`."""
        return path[:2] == SOURCE and len(path) > 2

    def _in_source(self, below: Path, *, in_account: bool = False) -> Path | None:
        # The section of a source and its name are the same here: dlt looks under both.
        if below[0] == SOURCE[1] and len(below) > 1 and not in_account:
            below = below[1:]
        name, *inner = below
        if not inner:
            is_known = name in (*self.of_source, *OF_DLT)
            return None if is_known else (*SOURCE, _nearest(name, self.of_source))
        if name not in SECTIONS and (section := _nearest(name, SECTIONS, CERTAIN)):
            return (*SOURCE, section, *inner)
        is_misplaced = name in ALL_TABLES and len(inner) == 1 and inner[0] not in OF_DLT
        if is_misplaced and (nearest := _nearest(inner[0], self.of_source, CERTAIN)):
            return (*SOURCE, nearest)
        if name in (*SECTIONS, *TABLES_OF_SETTINGS):
            return None
        if in_account or name in self.of_source:
            # Nothing looks deeper than an account, and a setting is none.
            return (*SOURCE, _nearest(inner[-1], self.of_source))
        if name in self.other_accounts or (right := self._in_source(tuple(inner), in_account=True)) is None:
            return None
        return (*SOURCE, name, *right[len(SOURCE) :])

    def _is_near_source(self, path: Path) -> bool:
        """Whether somebody wrote it for the source, although it is nowhere near for dlt."""
        section, rest = path[:2], path[2:]
        if rest and section[0] != SOURCES and _nearest(section[0], (SOURCES,), CERTAIN):
            return section[1].lower() == SOURCE[1]
        if rest and section[0] == SOURCES:
            is_alike = section[1] in NOT_OURS or bool(_nearest(section[1], SOURCE[1:], CERTAIN))
            # A clone of the source has a section of its own.
            is_of_clone = bool(CLONE.match(section[1])) and section[1] not in NOT_OURS
            return is_alike and not is_of_clone and bool(_nearest(rest[0], self.of_source, CERTAIN))
        is_alone = len(path) == 2 and path[0].lower() == SOURCE[1] != self.pipeline
        return is_alone and bool(_nearest(path[1], self.of_source, CERTAIN))

    def _in_no_section(self, path: Path) -> Path | None:
        """Of what stands alone, below `[sources]`, where dlt finds it, too, near that, or below another pipeline."""
        sections, name = path[:-1], path[-1]
        is_found = sections in ((), (SOURCES,))
        is_near = len(sections) == 1 and bool(_nearest(sections[0], (SOURCES,), CERTAIN))
        is_of_other = sections[:1] == (PIPELINES,) and len(sections) == 2
        if not (is_found or is_near or is_of_other):
            return None
        nearest = "" if name.lower() in OF_OTHERS else _nearest(name, OURS_ALONE, SURE)
        return (*SOURCE, nearest) if nearest and not (is_found and name.lower() == nearest) else None

    def _in_pipeline(self, path: Path) -> Path | None:
        top, pipeline, name = path[:3]
        if top != PIPELINES:
            return (PIPELINES, *path[1:]) if _nearest(top, (PIPELINES,), CERTAIN) else None
        if path[2:4] == SOURCE and len(path) > 4:
            return self._in_source(path[4:]) or path[2:]
        if len(path) > 3 or name in pipeline_settings():
            return None
        of_source = _nearest(name, self.of_source, CERTAIN)
        nearest = _nearest(name, pipeline_settings())
        return (*SOURCE, of_source) if of_source or not nearest else (PIPELINES, pipeline, nearest)


def _nearest(name: str, names: Iterable[str], alike: float = NEAR) -> str:
    """The one of some names that is most like another, or nothing."""
    if (follower := FORMER.get(name)) is not None and follower in (names := list(names)):
        return follower
    return next(iter(get_close_matches(name.lower().replace("-", "_"), list(names), 1, alike)), "")
