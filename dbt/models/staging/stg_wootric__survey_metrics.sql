{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{{ config(materialized='ephemeral') }}
{%- set given = given_metrics() %}
WITH scores AS (
    SELECT survey_id, MIN(score) AS lowest, MAX(score) AS highest, COUNT(score) AS responses
    FROM (
        SELECT survey_id, score FROM {{ ref('stg_wootric__responses') }}
        UNION ALL
        SELECT survey_id, CAST(NULL AS BIGINT) FROM {{ ref('stg_wootric__declines') }}
    ) AS asks
    GROUP BY survey_id
),
named AS (
    SELECT
        scores.*,
        {% if given -%}
        CASE survey_id
            {%- for survey, metric in given.items() %}
            WHEN {{ survey }} THEN '{{ metric }}'
            {%- endfor %}
        END
        {%- else -%}
        CAST(NULL AS TEXT)
        {%- endif %} AS given
    FROM scores
),
known AS (
    SELECT
        named.*,
        CASE
            WHEN given IS NOT NULL THEN given
            WHEN lowest < 0 OR highest > 10 THEN NULL
            WHEN lowest = 0 THEN 'nps'
            -- Of fewer answers, the highest score says nothing.
            WHEN highest BETWEEN 6 AND 7 AND responses >= 10 THEN 'ces'
        END AS metric
    FROM named
),
ranged AS (
    SELECT
        known.*,
        CASE
            WHEN metric = 'nps' THEN 10
            WHEN metric = 'ces' THEN 7
            WHEN metric = 'csat' AND highest > 5 THEN 10
            WHEN metric = 'csat' THEN 5
        END AS score_max
    FROM known
)
SELECT
    survey_id,
    metric,
    score_max,
    CASE
        WHEN given IS NOT NULL THEN 'setting'
        WHEN metric = 'nps' THEN 'zero'
        WHEN metric = 'ces' THEN 'range'
        ELSE 'undecided'
    END AS known_by,
    CASE
        WHEN given IS NULL THEN TRUE
        WHEN highest > score_max THEN FALSE
        WHEN lowest < CASE WHEN metric = 'nps' THEN 0 ELSE 1 END THEN FALSE
        ELSE TRUE
    END AS scores_fit
FROM ranged
