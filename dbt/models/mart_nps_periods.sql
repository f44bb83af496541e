{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH scoped AS (
  SELECT
    local_date,
    'survey' AS scope,
    survey_id,
    COALESCE(survey_id, -1) AS survey_key,
    responses,
    promoters,
    passives,
    detractors,
    comments,
    declines
  FROM {{ ref('mart_nps_daily') }} AS mart_nps_daily
  UNION ALL
  SELECT
    local_date,
    'all',
    CAST(NULL AS BIGINT),
    -1,
    responses,
    promoters,
    passives,
    detractors,
    comments,
    declines
  FROM {{ ref('mart_nps_daily') }} AS mart_nps_daily
), calendar AS (
  SELECT
    local_date,
    'week' AS period,
    week AS period_start
  FROM {{ ref('dim_dates') }} AS dim_dates
  UNION ALL
  SELECT
    local_date,
    'month',
    month
  FROM {{ ref('dim_dates') }} AS dim_dates
  UNION ALL
  SELECT
    local_date,
    'quarter',
    quarter
  FROM {{ ref('dim_dates') }} AS dim_dates
), sums AS (
  SELECT
    calendar.period,
    calendar.period_start,
    scoped.scope,
    scoped.survey_key,
    SUM(scoped.responses) AS responses,
    SUM(scoped.promoters) AS promoters,
    SUM(scoped.passives) AS passives,
    SUM(scoped.detractors) AS detractors,
    SUM(scoped.comments) AS comments,
    SUM(scoped.declines) AS declines
  FROM scoped
  JOIN calendar
    ON calendar.local_date = scoped.local_date
  GROUP BY
    calendar.period,
    calendar.period_start,
    scoped.scope,
    scoped.survey_key
), spans AS (
  SELECT
    scope,
    survey_id,
    survey_key,
    MIN(local_date) AS first_date,
    MAX(local_date) AS last_date
  FROM scoped
  GROUP BY
    scope,
    survey_id,
    survey_key
), periods AS (
  SELECT DISTINCT
    calendar.period,
    calendar.period_start,
    spans.scope,
    spans.survey_id,
    spans.survey_key
  FROM spans
  JOIN calendar
    ON calendar.local_date BETWEEN spans.first_date AND spans.last_date
), counts AS (
  SELECT
    periods.period,
    periods.period_start,
    periods.scope,
    periods.survey_id,
    CAST(COALESCE(sums.responses, 0) AS BIGINT) AS responses,
    CAST(COALESCE(sums.promoters, 0) AS BIGINT) AS promoters,
    CAST(COALESCE(sums.passives, 0) AS BIGINT) AS passives,
    CAST(COALESCE(sums.detractors, 0) AS BIGINT) AS detractors,
    CAST(COALESCE(sums.comments, 0) AS BIGINT) AS comments,
    CAST(COALESCE(sums.declines, 0) AS BIGINT) AS declines
  FROM periods
  LEFT JOIN sums
    ON sums.period = periods.period
    AND sums.period_start = periods.period_start
    AND sums.scope = periods.scope
    AND sums.survey_key = periods.survey_key
), shares AS (
  SELECT
    counts.*,
    CAST(100 * (
      CAST(promoters AS DOUBLE PRECISION) - detractors
    ) AS DOUBLE PRECISION) / NULLIF(responses, 0) AS nps,
    CAST((
      CAST(promoters AS DOUBLE PRECISION) - detractors
    ) AS DOUBLE PRECISION) / (
      responses + 3
    ) AS adjusted,
    CAST((
      CAST(promoters AS DOUBLE PRECISION) + detractors + 1.5
    ) AS DOUBLE PRECISION) / (
      responses + 3
    ) AS promoters_and_detractors
  FROM counts
), errors AS (
  SELECT
    shares.*,
    SQRT(CAST((
      promoters_and_detractors - adjusted * adjusted
    ) AS DOUBLE PRECISION) / (
      responses + 3
    )) AS standard_error
  FROM shares
), compared AS (
  SELECT
    errors.*,
    LAG(nps) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS nps_before,
    LAG(adjusted) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS adjusted_before,
    LAG(standard_error) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS error_before
  FROM errors
), final AS (
  SELECT
    period,
    period_start,
    scope,
    survey_id,
    responses,
    promoters,
    passives,
    detractors,
    comments,
    declines,
    CAST(responses AS DOUBLE PRECISION) / NULLIF(responses + declines, 0) AS answered_rate,
    nps,
    CASE
      WHEN responses = 0
      THEN NULL
      WHEN adjusted - 1.96 * standard_error < -1
      THEN -100
      ELSE 100 * (
        adjusted - 1.96 * standard_error
      )
    END AS nps_low,
    CASE
      WHEN responses = 0
      THEN NULL
      WHEN adjusted + 1.96 * standard_error > 1
      THEN 100
      ELSE 100 * (
        adjusted + 1.96 * standard_error
      )
    END AS nps_high,
    nps - nps_before AS nps_change,
    CASE
      WHEN NOT nps IS NULL AND NOT nps_before IS NULL
      THEN CAST((
        adjusted - adjusted_before
      ) AS DOUBLE PRECISION) / SQRT(standard_error * standard_error + error_before * error_before)
    END AS change_z,
    CASE WHEN responses < 30 THEN TRUE ELSE FALSE END AS is_small
  FROM compared
)
SELECT
  CAST(period AS TEXT) AS period,
  CAST(period_start AS DATE) AS period_start,
  CAST(scope AS TEXT) AS scope,
  CAST(survey_id AS BIGINT) AS survey_id,
  CAST(responses AS BIGINT) AS responses,
  CAST(promoters AS BIGINT) AS promoters,
  CAST(passives AS BIGINT) AS passives,
  CAST(detractors AS BIGINT) AS detractors,
  CAST(comments AS BIGINT) AS comments,
  CAST(declines AS BIGINT) AS declines,
  CAST(answered_rate AS DOUBLE PRECISION) AS answered_rate,
  CAST(nps AS DOUBLE PRECISION) AS nps,
  CAST(nps_low AS DOUBLE PRECISION) AS nps_low,
  CAST(nps_high AS DOUBLE PRECISION) AS nps_high,
  CAST(nps_change AS DOUBLE PRECISION) AS nps_change,
  CAST(change_z AS DOUBLE PRECISION) AS change_z,
  CAST(is_small AS BOOLEAN) AS is_small
FROM final
