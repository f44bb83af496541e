{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH final AS (
  SELECT
    asked.survey_id,
    survey_metrics.metric,
    survey_metrics.score_max,
    survey_metrics.known_by,
    survey_metrics.scores_fit,
    asked.lowest_score,
    asked.highest_score,
    asked.first_response_at,
    asked.last_response_at,
    asked.responses,
    asked.declines
  FROM (
    SELECT
      survey_id,
      MIN(score) AS lowest_score,
      MAX(score) AS highest_score,
      MIN(responded_at) AS first_response_at,
      MAX(responded_at) AS last_response_at,
      COUNT(response_id) AS responses,
      COUNT(decline_id) AS declines
    FROM (
      SELECT
        survey_id,
        score,
        created_at AS responded_at,
        id AS response_id,
        CAST(NULL AS BIGINT) AS decline_id
      FROM {{ ref('stg_wootric__responses') }} AS responses
      UNION ALL
      SELECT
        survey_id,
        CAST(NULL AS BIGINT),
        CAST(NULL AS TIMESTAMPTZ),
        CAST(NULL AS BIGINT),
        id
      FROM {{ ref('stg_wootric__declines') }} AS declines
    ) AS asks
    GROUP BY
      survey_id
  ) AS asked
  LEFT JOIN {{ ref('stg_wootric__survey_metrics') }} AS survey_metrics
    ON COALESCE(survey_metrics.survey_id, -1) = COALESCE(asked.survey_id, -1)
)
SELECT
  CAST(survey_id AS BIGINT) AS survey_id,
  CAST(metric AS TEXT) AS metric,
  CAST(score_max AS BIGINT) AS score_max,
  CAST(known_by AS TEXT) AS known_by,
  CAST(scores_fit AS BOOLEAN) AS scores_fit,
  CAST(lowest_score AS BIGINT) AS lowest_score,
  CAST(highest_score AS BIGINT) AS highest_score,
  CAST(first_response_at AS TIMESTAMPTZ) AS first_response_at,
  CAST(last_response_at AS TIMESTAMPTZ) AS last_response_at,
  CAST(responses AS BIGINT) AS responses,
  CAST(declines AS BIGINT) AS declines
FROM final
