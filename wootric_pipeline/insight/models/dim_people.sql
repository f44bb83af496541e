-- One row for each person who is known, answered or declined.
-- grain: end_user_id
--
-- end_user_id bigint: `end_users.id`
-- latest_score bigint: the score of the person's last counted answer to an NPS survey
-- latest_category text: `promoter`, `passive` or `detractor`, by that score
-- latest_responded_at timestamp: when that answer was given
-- answers bigint: how many responses the person gave, also those that are not counted
-- declines bigint: how many surveys the person declined
-- first_asked_at timestamp: when the person first answered or declined
-- last_asked_at timestamp: when the person last answered or declined
WITH asked AS (
    SELECT
        end_user_id,
        COUNT(CASE WHEN outcome = 'answered' THEN 1 END) AS answers,
        COUNT(CASE WHEN outcome = 'declined' THEN 1 END) AS declines,
        MIN(asked_at) AS first_asked_at,
        MAX(asked_at) AS last_asked_at
    FROM fct_asks
    WHERE end_user_id IS NOT NULL
    GROUP BY end_user_id
),
people AS (
    SELECT id AS end_user_id FROM end_users
    UNION
    SELECT end_user_id FROM asked
)
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
LEFT JOIN asked ON asked.end_user_id = people.end_user_id
LEFT JOIN fct_responses AS latest
    ON latest.end_user_id = people.end_user_id AND latest.metric = 'nps' AND latest.is_latest = TRUE
