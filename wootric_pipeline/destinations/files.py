"""What tables of files need beside their layout."""

import logging

from dlt import Pipeline

from .layout import FILES, kind_of

log = logging.getLogger("wootric_pipeline.destinations")


def show_new_columns(pipeline: Pipeline) -> bool:
    """Whether there are Iceberg tables of files; what they got as new columns can be merged into from now on.

    A merge looks at the columns of the table's newest snapshot (pyiceberg 0.12), which a new column alone does not
    make: appending nothing does.
    """
    if kind_of(pipeline) != FILES:
        return False
    if not any(table.get("table_format") == "iceberg" for table in pipeline.default_schema.data_tables()):
        return False
    from dlt.common.libs.pyiceberg import get_iceberg_tables

    tables = get_iceberg_tables(pipeline).values()
    log.info(
        "The load failed, perhaps for new columns that %s Iceberg tables do not show yet; tries again.", len(tables)
    )
    for table in tables:
        table.append(table.schema().as_arrow().empty_table())
    return bool(tables)
