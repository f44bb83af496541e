{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
SELECT local_date, utc_until, utc_next
FROM (
    SELECT local_date, utc_until, LEAD(utc_from) OVER (ORDER BY utc_from) AS utc_next
    FROM {{ ref('dim_dates') }}
) AS days
WHERE utc_next <> utc_until
