{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{%- set words = counting_words() %}
SELECT
    {{ 'TRUE' if 'excluded' in words else 'FALSE' }} AS counts_excluded,
    {{ 'FALSE' if 'completed' in words else 'TRUE' }} AS counts_incomplete
