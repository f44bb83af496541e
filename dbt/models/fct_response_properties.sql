{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH final AS (
  SELECT
    response_id,
    property,
    value_text,
    value_number
  FROM {{ ref('stg_wootric__response_properties') }} AS response_properties
)
SELECT
  CAST(response_id AS BIGINT) AS response_id,
  CAST(property AS TEXT) AS property,
  CAST(value_text AS TEXT) AS value_text,
  CAST(value_number AS DOUBLE PRECISION) AS value_number
FROM final
