{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{%- do require_responses() %}
{{ loaded_columns('responses', {'id': 'bigint', 'created_at': 'timestamp', 'end_user_id': 'bigint', 'survey_id': 'bigint', 'score': 'bigint', 'text': 'text', 'completed': 'bool', 'excluded_from_calculations': 'bool'}) }}
