{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH scored AS (
  SELECT
    responses.id AS response_id,
    responses.end_user_id,
    responses.survey_id,
    responses.created_at AS responded_at,
    responses.score,
    responses.completed AS is_completed,
    CASE WHEN responses.excluded_from_calculations = TRUE THEN TRUE ELSE FALSE END AS is_excluded,
    CASE WHEN TRIM(responses.text) <> '' THEN TRUE ELSE FALSE END AS has_comment,
    dim_surveys.metric,
    dim_surveys.score_max,
    CASE
      WHEN dim_surveys.metric = 'nps'
      THEN CASE
        WHEN responses.score BETWEEN 9 AND 10
        THEN 'promoter'
        WHEN responses.score BETWEEN 7 AND 8
        THEN 'passive'
        WHEN responses.score BETWEEN 0 AND 6
        THEN 'detractor'
      END
      WHEN dim_surveys.metric = 'csat'
      THEN CASE
        WHEN responses.score BETWEEN dim_surveys.score_max - 1 AND dim_surveys.score_max
        THEN 'satisfied'
        WHEN responses.score BETWEEN 1 AND dim_surveys.score_max
        THEN 'not satisfied'
      END
      WHEN dim_surveys.metric = 'ces'
      THEN CASE
        WHEN responses.score BETWEEN 5 AND 7
        THEN 'easy'
        WHEN responses.score BETWEEN 1 AND 4
        THEN 'not easy'
      END
    END AS category
  FROM {{ ref('stg_wootric__responses') }} AS responses
  LEFT JOIN {{ ref('dim_surveys') }} AS dim_surveys
    ON COALESCE(dim_surveys.survey_id, -1) = COALESCE(responses.survey_id, -1)
), counted AS (
  SELECT
    scored.*,
    CASE WHEN scored.end_user_id IS NULL THEN scored.response_id END AS of_nobody, /* Responses of nobody are each of a person of their own. */
    CASE
      WHEN scored.category IS NULL
      THEN FALSE
      WHEN scored.is_excluded = TRUE AND counting.counts_excluded = FALSE
      THEN FALSE
      WHEN scored.is_completed = TRUE OR counting.counts_incomplete = TRUE
      THEN TRUE
      ELSE FALSE
    END AS is_counted
  FROM scored
  CROSS JOIN {{ ref('stg_wootric__counting') }} AS counting
), numbered AS (
  SELECT
    counted.*,
    ROW_NUMBER() OVER (PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted ORDER BY responded_at, response_id) AS from_first,
    ROW_NUMBER() OVER (
      PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted
      ORDER BY responded_at DESC NULLS LAST, response_id DESC NULLS LAST
    ) AS from_last,
    LAG(score) OVER (PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted ORDER BY responded_at, response_id) AS score_before
  FROM counted
), final AS (
  SELECT
    numbered.response_id,
    numbered.end_user_id,
    numbered.survey_id,
    numbered.responded_at,
    fct_asks.local_date,
    numbered.score,
    numbered.metric,
    numbered.category,
    CASE
      WHEN numbered.is_counted = FALSE
      THEN NULL
      WHEN numbered.category = 'promoter'
      THEN 100
      WHEN numbered.category = 'passive'
      THEN 0
      WHEN numbered.category = 'detractor'
      THEN -100
    END AS nps_points,
    numbered.is_counted,
    numbered.is_completed,
    numbered.is_excluded,
    numbered.has_comment,
    CASE WHEN numbered.is_counted = TRUE THEN numbered.from_first END AS response_number,
    CASE WHEN numbered.is_counted = TRUE AND numbered.from_last = 1 THEN TRUE ELSE FALSE END AS is_latest,
    CASE WHEN numbered.is_counted = TRUE THEN numbered.score_before END AS previous_score
  FROM numbered
  LEFT JOIN {{ ref('fct_asks') }} AS fct_asks
    ON fct_asks.outcome = 'answered' AND fct_asks.ask_id = numbered.response_id
)
SELECT
  CAST(response_id AS BIGINT) AS response_id,
  CAST(end_user_id AS BIGINT) AS end_user_id,
  CAST(survey_id AS BIGINT) AS survey_id,
  CAST(responded_at AS TIMESTAMPTZ) AS responded_at,
  CAST(local_date AS DATE) AS local_date,
  CAST(score AS BIGINT) AS score,
  CAST(metric AS TEXT) AS metric,
  CAST(category AS TEXT) AS category,
  CAST(nps_points AS BIGINT) AS nps_points,
  CAST(is_counted AS BOOLEAN) AS is_counted,
  CAST(is_completed AS BOOLEAN) AS is_completed,
  CAST(is_excluded AS BOOLEAN) AS is_excluded,
  CAST(has_comment AS BOOLEAN) AS has_comment,
  CAST(response_number AS BIGINT) AS response_number,
  CAST(is_latest AS BOOLEAN) AS is_latest,
  CAST(previous_score AS BIGINT) AS previous_score
FROM final
