-- One row for each response, whether it is counted or not.
-- grain: response_id
--
-- response_id bigint: `responses.id`
-- end_user_id bigint: who gave it
-- survey_id bigint: which survey
-- responded_at timestamp: when it was given
-- local_date date: the day of that in the account's time zone
-- score bigint: as it was given
-- metric text: of the survey: `nps`, `csat`, `ces`, or null where that is undecided
-- category text: `promoter` (9-10), `passive` (7-8) or `detractor` (0-6); `satisfied` (4-5 of 5, 9-10 of 10) or
--     `not satisfied`; `easy` (5-7 of 7) or `not easy`; null where the metric is undecided or the score out of its
--     range
-- nps_points bigint: 100 of a promoter, 0 of a passive, -100 of a detractor: their mean is the NPS; null where it
--     is not counted
-- is_counted bool: whether it is in the figures: it has a category, and is not excluded from calculations, or as the
--     setting `counting` says
-- is_completed bool: as Wootric says
-- is_excluded bool: whether Wootric leaves it out of its calculations
-- has_comment bool: whether it has a comment; false, too, where comments are not loaded
-- response_number bigint: which of the person's counted answers on this scale it is, from 1
-- is_latest bool: whether it is the last of these
-- previous_score bigint: the score of the one before
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
            WHEN dim_surveys.metric = 'nps' THEN
                CASE
                    WHEN responses.score BETWEEN 9 AND 10 THEN 'promoter'
                    WHEN responses.score BETWEEN 7 AND 8 THEN 'passive'
                    WHEN responses.score BETWEEN 0 AND 6 THEN 'detractor'
                END
            WHEN dim_surveys.metric = 'csat' THEN
                CASE
                    WHEN responses.score BETWEEN dim_surveys.score_max - 1 AND dim_surveys.score_max THEN 'satisfied'
                    WHEN responses.score BETWEEN 1 AND dim_surveys.score_max THEN 'not satisfied'
                END
            WHEN dim_surveys.metric = 'ces' THEN
                CASE
                    WHEN responses.score BETWEEN 5 AND 7 THEN 'easy'
                    WHEN responses.score BETWEEN 1 AND 4 THEN 'not easy'
                END
        END AS category
    FROM responses
    LEFT JOIN dim_surveys ON COALESCE(dim_surveys.survey_id, -1) = COALESCE(responses.survey_id, -1)
),
counted AS (
    SELECT
        scored.*,
        -- Responses of nobody are each of a person of their own.
        CASE WHEN scored.end_user_id IS NULL THEN scored.response_id END AS of_nobody,
        CASE
            WHEN scored.category IS NULL THEN FALSE
            WHEN scored.is_excluded = TRUE AND counting.counts_excluded = FALSE THEN FALSE
            WHEN scored.is_completed = TRUE OR counting.counts_incomplete = TRUE THEN TRUE
            ELSE FALSE
        END AS is_counted
    FROM scored
    CROSS JOIN counting
),
numbered AS (
    SELECT
        counted.*,
        ROW_NUMBER() OVER (
            PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted ORDER BY responded_at, response_id
        ) AS from_first,
        ROW_NUMBER() OVER (
            PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted
            ORDER BY responded_at DESC, response_id DESC
        ) AS from_last,
        LAG(score) OVER (
            PARTITION BY end_user_id, of_nobody, metric, score_max, is_counted ORDER BY responded_at, response_id
        ) AS score_before
    FROM counted
)
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
        WHEN numbered.is_counted = FALSE THEN NULL
        WHEN numbered.category = 'promoter' THEN 100
        WHEN numbered.category = 'passive' THEN 0
        WHEN numbered.category = 'detractor' THEN -100
    END AS nps_points,
    numbered.is_counted,
    numbered.is_completed,
    numbered.is_excluded,
    numbered.has_comment,
    CASE WHEN numbered.is_counted = TRUE THEN numbered.from_first END AS response_number,
    CASE WHEN numbered.is_counted = TRUE AND numbered.from_last = 1 THEN TRUE ELSE FALSE END AS is_latest,
    CASE WHEN numbered.is_counted = TRUE THEN numbered.score_before END AS previous_score
FROM numbered
LEFT JOIN fct_asks ON fct_asks.outcome = 'answered' AND fct_asks.ask_id = numbered.response_id
