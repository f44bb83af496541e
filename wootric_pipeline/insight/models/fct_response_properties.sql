-- One row for each of your own properties of the person, as it was when the survey was taken.
-- grain: response_id, property
--
-- response_id bigint: `responses.id`
-- property text: its name, as the column `end_user__properties__...` has it; as you wrote it where properties are one
--     JSON column
-- value_text text: its value where that is a text; `true` or `false`; JSON of objects and lists
-- value_number double: its value where that is a number
SELECT response_id, property, value_text, value_number
FROM response_properties
