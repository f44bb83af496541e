{{ config(materialized='ephemeral') }}
{%- set responses = loaded_relation('responses') -%}
{%- set tags = loaded_relation('responses__tags') %}
{% if loaded_types(tags).get('value') == 'text' -%}
SELECT responses.id AS response_id, tags.value AS tag
FROM {{ loaded_rows(responses, loaded_types(responses)) }} AS responses
JOIN {{ tags }} AS tags ON tags._dlt_parent_id = responses._dlt_id
{%- else -%}
SELECT CAST(NULL AS BIGINT) AS response_id, CAST(NULL AS TEXT) AS tag
WHERE 1 = 0
{%- endif %}
