{{ config(materialized='ephemeral') }}
{%- set prefix = 'end_user__properties' -%}
{%- set responses = loaded_relation('responses') -%}
{%- set types = loaded_types(responses) -%}
{%- set rows = loaded_rows(responses, types) -%}
{%- for column, data_type in types.items() if column.startswith(prefix ~ '__') %}
{%- set value = adapter.quote(column) %}
SELECT
    id AS response_id,
    {#- dlt puts the type behind the name where values have come in several. #}
    CAST('{{ modules.re.sub('__v_[a-z]+$', '', column[(prefix ~ '__') | length:]) | replace("'", "''") }}' AS TEXT)
        AS property,
    {%- if data_type in ('bigint', 'double', 'decimal') %}
    CAST(NULL AS TEXT) AS value_text,
    CAST({{ value }} AS DOUBLE PRECISION) AS value_number
    {%- else %}
    {% if data_type == 'bool' -%}
        CASE WHEN {{ value }} THEN 'true' ELSE 'false' END
    {%- else -%}
        CAST({{ value }} AS TEXT)
    {%- endif %} AS value_text,
    CAST(NULL AS DOUBLE PRECISION) AS value_number
    {%- endif %}
FROM {{ rows }} AS responses
WHERE {{ value }} IS NOT NULL
UNION ALL
{%- endfor %}
{%- if types.get(prefix) == 'json' %}
{{ json_properties(rows) }}
UNION ALL
{%- endif %}
SELECT
    CAST(NULL AS BIGINT) AS response_id,
    CAST(NULL AS TEXT) AS property,
    CAST(NULL AS TEXT) AS value_text,
    CAST(NULL AS DOUBLE PRECISION) AS value_number
WHERE 1 = 0
