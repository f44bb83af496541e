-- One row for each survey that was answered or declined, with what its scores are.
-- grain: survey_id
--
-- survey_id bigint: which survey; null of answers that name none
-- metric text: `nps`, `csat` or `ces`; null where that is undecided, and the survey is in no figure
-- score_max bigint: the best score that can be given: 10, 7 or 5
-- known_by text: how the metric is known: by the `setting`, by a `zero` that was given, by the `range` of its
--     scores; else `undecided`
-- scores_fit bool: whether all its scores are in the range of its metric
-- lowest_score bigint: the lowest score given
-- highest_score bigint: the highest score given
-- first_response_at timestamp: when it was first answered
-- last_response_at timestamp: when it was last answered
-- responses bigint: how many answers it has, also those that are not counted
-- declines bigint: how often it was declined
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
        SELECT survey_id, score, created_at AS responded_at, id AS response_id, CAST(NULL AS BIGINT) AS decline_id
        FROM responses
        UNION ALL
        SELECT survey_id, CAST(NULL AS BIGINT), CAST(NULL AS TIMESTAMPTZ), CAST(NULL AS BIGINT), id
        FROM declines
    ) AS asks
    GROUP BY survey_id
) AS asked
LEFT JOIN survey_metrics ON COALESCE(survey_metrics.survey_id, -1) = COALESCE(asked.survey_id, -1)
