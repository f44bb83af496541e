-- One row for each survey that a person answered or declined. Who never opened an e-mail leaves no row.
-- grain: outcome, ask_id
--
-- outcome text: `answered` or `declined`
-- ask_id bigint: `responses.id` or `declines.id`
-- end_user_id bigint: who was asked
-- survey_id bigint: which survey
-- asked_at timestamp: when it was answered or declined
-- local_date date: the day of that in the account's time zone; null before 1970 and after 2099
--
-- Asks and beginnings of days are put into one order, in which each ask comes behind the beginning of its day. A
-- join on
-- `utc_from <= asked_at AND asked_at < utc_until` compares each ask with each day on databases such as PostgreSQL.
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
        MAX(utc_from) OVER (
            ORDER BY asked_at NULLS FIRST, is_ask NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS utc_from
    FROM (
        SELECT 'answered' AS outcome, id AS ask_id, end_user_id, survey_id, created_at AS asked_at, 1 AS is_ask,
            CAST(NULL AS TIMESTAMPTZ) AS utc_from
        FROM responses
        UNION ALL
        SELECT 'declined', id, end_user_id, survey_id, created_at, 1, CAST(NULL AS TIMESTAMPTZ)
        FROM declines
        UNION ALL
        SELECT CAST(NULL AS TEXT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), utc_from, 0,
            utc_from
        FROM dim_dates
    ) AS asks_and_days
) AS asks
LEFT JOIN dim_dates ON dim_dates.utc_from = asks.utc_from AND asks.asked_at < dim_dates.utc_until
WHERE asks.is_ask = 1
