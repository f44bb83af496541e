{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
WITH asked AS (
  SELECT
    end_user_id,
    COUNT(CASE WHEN outcome = 'answered' THEN 1 END) AS answers,
    COUNT(CASE WHEN outcome = 'declined' THEN 1 END) AS declines,
    MIN(asked_at) AS first_asked_at,
    MAX(asked_at) AS last_asked_at
  FROM {{ ref('fct_asks') }} AS fct_asks
  WHERE
    NOT end_user_id IS NULL
  GROUP BY
    end_user_id
), people AS (
  SELECT
    id AS end_user_id
  FROM {{ ref('stg_wootric__end_users') }} AS end_users
  UNION
  SELECT
    end_user_id
  FROM asked
), final AS (
  SELECT
    people.end_user_id,
    latest.score AS latest_score,
    latest.category AS latest_category,
    latest.responded_at AS latest_responded_at,
    COALESCE(asked.answers, 0) AS answers,
    COALESCE(asked.declines, 0) AS declines,
    asked.first_asked_at,
    asked.last_asked_at
  FROM people
  LEFT JOIN asked
    ON asked.end_user_id = people.end_user_id
  LEFT JOIN {{ ref('fct_responses') }} AS latest
    ON latest.end_user_id = people.end_user_id AND latest.metric = 'nps' AND latest.is_latest = TRUE
)
SELECT
  CAST(end_user_id AS BIGINT) AS end_user_id,
  CAST(latest_score AS BIGINT) AS latest_score,
  CAST(latest_category AS TEXT) AS latest_category,
  CAST(latest_responded_at AS TIMESTAMPTZ) AS latest_responded_at,
  CAST(answers AS BIGINT) AS answers,
  CAST(declines AS BIGINT) AS declines,
  CAST(first_asked_at AS TIMESTAMPTZ) AS first_asked_at,
  CAST(last_asked_at AS TIMESTAMPTZ) AS last_asked_at
FROM final
