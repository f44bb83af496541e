-- One row for each week, month and quarter from the first to the last with an answer or a decline: of each NPS
-- survey, and of all of them together.
-- grain: period, period_start, scope, survey_id
--
-- period text: `week`, `month` or `quarter`
-- period_start date: its first day, in the account's time zone; of weeks the Monday
-- scope text: `survey`, or `all` of all NPS surveys together
-- survey_id bigint: which survey; null of all
-- responses bigint: how many answers are counted
-- promoters bigint: how many of them are 9 or 10
-- passives bigint: how many of them are 7 or 8
-- detractors bigint: how many of them are 0 to 6
-- comments bigint: how many of them have a comment
-- declines bigint: how often the surveys were declined
-- answered_rate double: responses by responses and declines, 0 to 1; who never opened an e-mail is not in it
-- nps double: 100 times promoters less detractors, by responses; null without any
-- nps_low double: the lower end of its 95 % interval (adjusted Wald)
-- nps_high double: the upper end
-- nps_change double: by how much it differs from that of the period before; null where either has no response
-- change_z double: that change by its standard error: beyond 1.96, chance alone gives as much once in 20 times
-- is_small bool: whether there are fewer than 30 responses: show no score without its interval, and below 10
--     counts only
WITH scoped AS (
    SELECT local_date, 'survey' AS scope, survey_id, COALESCE(survey_id, -1) AS survey_key, responses, promoters,
        passives, detractors, comments, declines
    FROM mart_nps_daily
    UNION ALL
    SELECT local_date, 'all', CAST(NULL AS BIGINT), -1, responses, promoters, passives, detractors, comments, declines
    FROM mart_nps_daily
),
calendar AS (
    SELECT local_date, 'week' AS period, week AS period_start FROM dim_dates
    UNION ALL
    SELECT local_date, 'month', month FROM dim_dates
    UNION ALL
    SELECT local_date, 'quarter', quarter FROM dim_dates
),
sums AS (
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
    JOIN calendar ON calendar.local_date = scoped.local_date
    GROUP BY calendar.period, calendar.period_start, scoped.scope, scoped.survey_key
),
spans AS (
    SELECT scope, survey_id, survey_key, MIN(local_date) AS first_date, MAX(local_date) AS last_date
    FROM scoped
    GROUP BY scope, survey_id, survey_key
),
-- A period without any answer is a row, too, so that the row before is the period before.
periods AS (
    SELECT DISTINCT calendar.period, calendar.period_start, spans.scope, spans.survey_id, spans.survey_key
    FROM spans
    JOIN calendar ON calendar.local_date BETWEEN spans.first_date AND spans.last_date
),
counts AS (
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
),
-- Of 1.5 more promoters and detractors and as many passives, in halves: an interval of few answers is too narrow
-- otherwise.
shares AS (
    SELECT
        counts.*,
        100 * (CAST(promoters AS DOUBLE) - detractors) / NULLIF(responses, 0) AS nps,
        (CAST(promoters AS DOUBLE) - detractors) / (responses + 3) AS adjusted,
        (CAST(promoters AS DOUBLE) + detractors + 1.5) / (responses + 3) AS promoters_and_detractors
    FROM counts
),
errors AS (
    SELECT
        shares.*,
        SQRT((promoters_and_detractors - adjusted * adjusted) / (responses + 3)) AS standard_error
    FROM shares
),
compared AS (
    SELECT
        errors.*,
        LAG(nps) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS nps_before,
        LAG(adjusted) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS adjusted_before,
        LAG(standard_error) OVER (PARTITION BY scope, survey_id, period ORDER BY period_start) AS error_before
    FROM errors
)
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
    CAST(responses AS DOUBLE) / NULLIF(responses + declines, 0) AS answered_rate,
    nps,
    CASE
        WHEN responses = 0 THEN NULL
        WHEN adjusted - 1.96 * standard_error < -1 THEN -100
        ELSE 100 * (adjusted - 1.96 * standard_error)
    END AS nps_low,
    CASE
        WHEN responses = 0 THEN NULL
        WHEN adjusted + 1.96 * standard_error > 1 THEN 100
        ELSE 100 * (adjusted + 1.96 * standard_error)
    END AS nps_high,
    nps - nps_before AS nps_change,
    CASE
        WHEN nps IS NOT NULL AND nps_before IS NOT NULL
            THEN (adjusted - adjusted_before) / SQRT(standard_error * standard_error + error_before * error_before)
    END AS change_z,
    CASE WHEN responses < 30 THEN TRUE ELSE FALSE END AS is_small
FROM compared
