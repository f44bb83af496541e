-- One row for each tag of a response.
-- grain: response_id, tag
--
-- response_id bigint: `responses.id`
-- tag text: the tag
SELECT DISTINCT response_id, tag
FROM response_tags
WHERE tag IS NOT NULL
