SELECT responses.id, facts.response_id
FROM {{ ref('stg_wootric__responses') }} AS responses
FULL JOIN {{ ref('fct_responses') }} AS facts ON facts.response_id = responses.id
WHERE responses.id IS NULL OR facts.response_id IS NULL
