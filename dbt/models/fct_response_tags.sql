{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH final AS (
  SELECT DISTINCT
    response_id,
    tag
  FROM {{ ref('stg_wootric__response_tags') }} AS response_tags
  WHERE
    NOT tag IS NULL
)
SELECT
  CAST(response_id AS BIGINT) AS response_id,
  CAST(tag AS TEXT) AS tag
FROM final
