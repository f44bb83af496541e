{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{% if 'utc' in counting_words() %}
SELECT first_date, seconds
FROM (VALUES
    (DATE '1969-12-29', 0)
) AS midnights (first_date, seconds)
{% else %}
-- Days of UTC.
SELECT first_date, seconds
FROM (VALUES
    (DATE '1969-12-29', 0)
) AS midnights (first_date, seconds)
{% endif %}
