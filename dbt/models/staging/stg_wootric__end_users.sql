{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{{ loaded_columns('end_users', {'id': 'bigint'}) }}
