"""The models as a project of dbt's: `python -m wootric_pipeline.insight.dbt` writes it; `make dbt` does for `dbt/`."""
