"""The files of the project: what is made of the models, and what is kept beside here as it is."""

from collections.abc import Mapping
from pathlib import Path

from ..loaded import READ
from ..model import models
from .described import schema, sources
from .queries import STAGING, json_properties, loaded_query, midnights_query, model_query

TEMPLATE = Path(__file__).with_name("template")
"""What is kept as it is."""
MADE = "Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here."
COMMENTS = {".sql": "{{# {} #}}\n", ".yml": "# {}\n", ".md": "<!-- {} -->\n"}
"""How files of a kind say something beside what they hold."""


def write(folder: Path, zone: str) -> None:
    """Writes the project.

    Args:
        folder: Into which; what else is in it stays, but for files of the project that are none any more.
        zone: The name of the account's time zone.
    """
    made = project(zone)
    for path in {each for name in made for each in (folder / name).parent.glob("*")}:
        is_known = path.suffix not in COMMENTS or path.relative_to(folder).as_posix() in made
        if not is_known and path.is_file() and MADE in path.read_text(encoding="utf-8"):
            path.unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def project(zone: str) -> Mapping[str, str]:
    """The texts of all files, by path.

    Args:
        zone: The name of the account's time zone.
    """
    made = {
        "macros/json_properties.sql": json_properties(),
        "models/schema.yml": schema(),
        "models/sources.yml": sources(),
        f"models/staging/{STAGING}midnights.sql": midnights_query(zone),
        **{f"models/staging/{STAGING}{name}.sql": loaded_query(name) for name in READ},
        **{f"models/{each.name}.sql": model_query(each) for each in models().values() if each.query},
    }
    kept = {path.relative_to(TEMPLATE).as_posix(): path for path in TEMPLATE.rglob("*") if path.is_file()}
    made |= {name: path.read_text(encoding="utf-8") for name, path in kept.items()}
    return {name: _headed(name, text) for name, text in sorted(made.items())}


def _headed(name: str, text: str) -> str:
    return COMMENTS[Path(name).suffix].format(MADE) + text.rstrip("\n") + "\n"
