{# What of the loaded tables the models read, whatever was loaded of them. #}

{% macro loaded_relation(name) %}
    {%- set named = source('wootric', name) -%}
    {%- if not execute -%}
        {%- do return(none) -%}
    {%- endif -%}
    {%- do return(adapter.get_relation(named.database, named.schema, named.identifier)) -%}
{% endmacro %}


{# The types of a table's columns, by the names that dlt has for them. #}
{% macro loaded_types(relation) %}
    {%- set names = {
        'bigint': 'bigint', 'boolean': 'bool', 'date': 'date', 'decimal': 'decimal', 'numeric': 'decimal',
        'double': 'double', 'double precision': 'double', 'json': 'json', 'jsonb': 'json', 'text': 'text',
        'varchar': 'text', 'character varying': 'text', 'timestamp with time zone': 'timestamp'
    } -%}
    {%- set found = {} -%}
    {%- if relation is not none -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- set data_type = column.dtype.lower().split('(')[0] -%}
            {%- do found.update({column.name: names.get(data_type, data_type)}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(found) -%}
{% endmacro %}


{# A table without the rows that Wootric does not have any more. #}
{% macro loaded_rows(relation, types) -%}
    {%- if '_deleted_at' in types -%}
        (SELECT * FROM {{ relation }} WHERE _deleted_at IS NULL)
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}


{# Columns of a table, each of its type: null where it is not loaded, or of another one. #}
{% macro loaded_columns(name, columns) -%}
    {%- set sql_types = {'bigint': 'BIGINT', 'bool': 'BOOLEAN', 'text': 'TEXT', 'timestamp': 'TIMESTAMPTZ'} -%}
    {%- set relation = loaded_relation(name) -%}
    {%- set types = loaded_types(relation) -%}
SELECT
    {%- for column, data_type in columns.items() %}
    {% if types.get(column) == data_type -%}
        {{ adapter.quote(column) }}
    {%- else -%}
        CAST(NULL AS {{ sql_types[data_type] }})
    {%- endif %} AS {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{% if relation is none -%}
WHERE 1 = 0
{%- else -%}
FROM {{ loaded_rows(relation, types) }} AS loaded
{%- endif %}
{%- endmacro %}


{# Ends with a sentence where the models cannot be made of what is loaded. #}
{% macro require_responses() %}
    {%- set relation = loaded_relation('responses') -%}
    {%- if execute -%}
        {%- set types = loaded_types(relation) -%}
        {%- if relation is none -%}
            {%- do exceptions.raise_compiler_error(
                'Responses are not loaded yet, and all models are made of them; load them first, or say by the '
                ~ 'variable wootric_schema where they are.'
            ) -%}
        {%- elif types.get('created_at') != 'timestamp' -%}
            {%- do exceptions.raise_compiler_error(
                'responses.created_at is not loaded, and the models need the day of each response.'
            ) -%}
        {%- elif 'completed' in counting_words() and types.get('completed') != 'bool' -%}
            {%- do exceptions.raise_compiler_error(
                'counting: [completed] needs responses.completed, which is not loaded.'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
