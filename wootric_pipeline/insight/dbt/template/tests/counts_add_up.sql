SELECT daily.responses, facts.responses AS counted
FROM (
    SELECT
        COALESCE(SUM(responses), 0) AS responses,
        COALESCE(SUM(promoters + passives + detractors), 0) AS by_category
    FROM {{ ref('mart_nps_daily') }}
) AS daily
CROSS JOIN (
    SELECT COUNT(nps_points) AS responses
    FROM {{ ref('fct_responses') }}
    WHERE local_date IS NOT NULL
) AS facts
WHERE daily.responses <> facts.responses OR daily.by_category <> facts.responses
