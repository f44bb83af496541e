-- One row for each day and NPS survey with an answer that is counted, or a decline. All counts add up; scores
-- never do.
-- grain: local_date, survey_id
--
-- local_date date: the day in the account's time zone
-- survey_id bigint: which survey
-- responses bigint: how many answers are counted
-- promoters bigint: how many of them are 9 or 10
-- passives bigint: how many of them are 7 or 8
-- detractors bigint: how many of them are 0 to 6
-- comments bigint: how many of them have a comment
-- declines bigint: how often the survey was declined
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
    SELECT local_date, survey_id, category, has_comment
    FROM fct_responses
    WHERE metric = 'nps' AND is_counted = TRUE
    UNION ALL
    SELECT fct_asks.local_date, fct_asks.survey_id, CAST(NULL AS TEXT), CAST(NULL AS BOOLEAN)
    FROM fct_asks
    JOIN dim_surveys ON COALESCE(dim_surveys.survey_id, -1) = COALESCE(fct_asks.survey_id, -1)
    WHERE fct_asks.outcome = 'declined' AND dim_surveys.metric = 'nps'
) AS asks
WHERE local_date IS NOT NULL
GROUP BY local_date, survey_id
