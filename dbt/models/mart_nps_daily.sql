{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH final AS (
  SELECT
    local_date,
    survey_id,
    COUNT(category) AS responses,
    COUNT(CASE WHEN category = 'promoter' THEN 1 END) AS promoters,
    COUNT(CASE WHEN category = 'passive' THEN 1 END) AS passives,
    COUNT(CASE WHEN category = 'detractor' THEN 1 END) AS detractors,
    COUNT(CASE WHEN has_comment = TRUE THEN 1 END) AS comments,
    COUNT(CASE WHEN category IS NULL THEN 1 END) AS declines
  FROM (
    SELECT
      local_date,
      survey_id,
      category,
      has_comment
    FROM {{ ref('fct_responses') }} AS fct_responses
    WHERE
      metric = 'nps' AND is_counted = TRUE
    UNION ALL
    SELECT
      fct_asks.local_date,
      fct_asks.survey_id,
      CAST(NULL AS TEXT),
      CAST(NULL AS BOOLEAN)
    FROM {{ ref('fct_asks') }} AS fct_asks
    JOIN {{ ref('dim_surveys') }} AS dim_surveys
      ON COALESCE(dim_surveys.survey_id, -1) = COALESCE(fct_asks.survey_id, -1)
    WHERE
      fct_asks.outcome = 'declined' AND dim_surveys.metric = 'nps'
  ) AS asks
  WHERE
    NOT local_date IS NULL
  GROUP BY
    local_date,
    survey_id
)
SELECT
  CAST(local_date AS DATE) AS local_date,
  CAST(survey_id AS BIGINT) AS survey_id,
  CAST(responses AS BIGINT) AS responses,
  CAST(promoters AS BIGINT) AS promoters,
  CAST(passives AS BIGINT) AS passives,
  CAST(detractors AS BIGINT) AS detractors,
  CAST(comments AS BIGINT) AS comments,
  CAST(declines AS BIGINT) AS declines
FROM final
