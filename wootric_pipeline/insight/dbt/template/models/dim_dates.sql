-- Databases differ in what they know of time zones, so the midnights come from Python.
WITH spine AS (
    SELECT DATE '1969-12-29' + CAST(number AS INTEGER) AS local_date
    FROM GENERATE_SERIES(0, 47488) AS numbers (number)
),
midnights AS (
    SELECT first_date, seconds FROM {{ ref('stg_wootric__midnights') }}
),
placed AS (
    SELECT spine.local_date, MAX(midnights.first_date) OVER (ORDER BY spine.local_date) AS first_date
    FROM spine
    LEFT JOIN midnights ON midnights.first_date = spine.local_date
),
begun AS (
    SELECT
        placed.local_date,
        TO_TIMESTAMP(
            86400 * CAST(placed.local_date - DATE '1970-01-01' AS DOUBLE PRECISION) + midnights.seconds
        ) AS utc_from
    FROM placed
    JOIN midnights ON midnights.first_date = placed.first_date
),
days AS (
    SELECT local_date, utc_from, LEAD(utc_from) OVER (ORDER BY local_date) AS utc_until
    FROM begun
),
asked AS (
    SELECT MIN(created_at) AS first_at, MAX(created_at) AS last_at
    FROM (
        SELECT created_at FROM {{ ref('stg_wootric__responses') }}
        UNION ALL
        SELECT created_at FROM {{ ref('stg_wootric__declines') }}
    ) AS asks
),
-- Each year is 365 rows, also for one odd answer.
span AS (
    SELECT
        LEAST(
            GREATEST(first_at, TIMESTAMPTZ '1970-01-05 00:00:00+00'), TIMESTAMPTZ '2099-12-25 00:00:00+00'
        ) AS first_at,
        GREATEST(
            LEAST(last_at, TIMESTAMPTZ '2099-12-25 00:00:00+00'), TIMESTAMPTZ '1970-01-05 00:00:00+00'
        ) AS last_at
    FROM asked
    WHERE first_at IS NOT NULL
),
years AS (
    SELECT
        DATE_TRUNC('year', CAST(MIN(days.local_date) AS TIMESTAMP)) AS first_year,
        DATE_TRUNC('year', CAST(MAX(days.local_date) AS TIMESTAMP)) AS last_year
    FROM days
    JOIN span ON span.first_at < days.utc_until AND span.last_at >= days.utc_from
    WHERE days.utc_from < days.utc_until
)
SELECT
    days.local_date,
    days.utc_from,
    days.utc_until,
    CAST(DATE_TRUNC('week', CAST(days.local_date AS TIMESTAMP)) AS DATE) AS week,
    CAST(DATE_TRUNC('month', CAST(days.local_date AS TIMESTAMP)) AS DATE) AS month,
    CAST(DATE_TRUNC('quarter', CAST(days.local_date AS TIMESTAMP)) AS DATE) AS quarter
FROM days
CROSS JOIN years
-- A day that the clocks leave out is none.
WHERE days.utc_from < days.utc_until
    AND days.local_date >= CAST(DATE_TRUNC('week', years.first_year) AS DATE)
    AND days.local_date
        < CAST(DATE_TRUNC('week', years.last_year + INTERVAL '1 year' - INTERVAL '1 day') AS DATE) + 7
