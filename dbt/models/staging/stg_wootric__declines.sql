{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{{ loaded_columns('declines', {'id': 'bigint', 'created_at': 'timestamp', 'end_user_id': 'bigint', 'survey_id': 'bigint'}) }}
