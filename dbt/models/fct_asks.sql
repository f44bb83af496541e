{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH final AS (
  SELECT
    asks.outcome,
    asks.ask_id,
    asks.end_user_id,
    asks.survey_id,
    asks.asked_at,
    dim_dates.local_date
  FROM (
    SELECT
      outcome,
      ask_id,
      end_user_id,
      survey_id,
      asked_at,
      is_ask,
      MAX(utc_from) OVER (ORDER BY asked_at NULLS FIRST, is_ask NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS utc_from
    FROM (
      SELECT
        'answered' AS outcome,
        id AS ask_id,
        end_user_id,
        survey_id,
        created_at AS asked_at,
        1 AS is_ask,
        CAST(NULL AS TIMESTAMPTZ) AS utc_from
      FROM {{ ref('stg_wootric__responses') }} AS responses
      UNION ALL
      SELECT
        'declined',
        id,
        end_user_id,
        survey_id,
        created_at,
        1,
        CAST(NULL AS TIMESTAMPTZ)
      FROM {{ ref('stg_wootric__declines') }} AS declines
      UNION ALL
      SELECT
        CAST(NULL AS TEXT),
        CAST(NULL AS BIGINT),
        CAST(NULL AS BIGINT),
        CAST(NULL AS BIGINT),
        utc_from,
        0,
        utc_from
      FROM {{ ref('dim_dates') }} AS dim_dates
    ) AS asks_and_days
  ) AS asks
  LEFT JOIN {{ ref('dim_dates') }} AS dim_dates
    ON dim_dates.utc_from = asks.utc_from AND asks.asked_at < dim_dates.utc_until
  WHERE
    asks.is_ask = 1
)
SELECT
  CAST(outcome AS TEXT) AS outcome,
  CAST(ask_id AS BIGINT) AS ask_id,
  CAST(end_user_id AS BIGINT) AS end_user_id,
  CAST(survey_id AS BIGINT) AS survey_id,
  CAST(asked_at AS TIMESTAMPTZ) AS asked_at,
  CAST(local_date AS DATE) AS local_date
FROM final
