{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{# Properties of one JSON column as rows, which each database makes in its own way. #}
{% macro json_properties(responses) -%}
{{ return(adapter.dispatch('json_properties', 'wootric')(responses)) }}
{%- endmacro %}


{% macro duckdb__json_properties(responses) -%}
SELECT
  response_id,
  property,
  CASE
    WHEN JSON_TYPE(value) = 'VARCHAR'
    THEN value ->> '$'
    WHEN JSON_TYPE(value) IN ('BOOLEAN', 'OBJECT', 'ARRAY')
    THEN CAST(value AS TEXT)
  END AS value_text,
  CASE
    WHEN JSON_TYPE(value) IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')
    THEN CAST(CAST(value AS TEXT) AS DOUBLE)
  END AS value_number
FROM (
  SELECT
    response_id,
    entry.key AS property,
    entry.value AS value
  FROM (
    SELECT
      id AS response_id,
      UNNEST(MAP_ENTRIES(CAST(CAST(end_user__properties AS JSON) AS MAP(TEXT, JSON)))) AS entry
    FROM {{ responses }} AS responses
  ) AS entries
) AS pairs
WHERE
  JSON_TYPE(value) <> 'NULL'
{%- endmacro %}


{% macro postgres__json_properties(responses) -%}
SELECT
  responses.id AS response_id,
  pair.key AS property,
  CASE JSONB_TYPEOF(pair.value) WHEN 'number' THEN NULL ELSE pair.value #>> '{}' END AS value_text,
  CASE JSONB_TYPEOF(pair.value) WHEN 'number' THEN CAST(pair.value #>> '{}' AS DOUBLE PRECISION) END AS value_number
FROM {{ responses }} AS responses
CROSS JOIN LATERAL JSONB_EACH(CASE JSONB_TYPEOF(end_user__properties) WHEN 'object' THEN end_user__properties END) AS pair
WHERE
  JSONB_TYPEOF(pair.value) <> 'null'
{%- endmacro %}
