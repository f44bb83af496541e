{{ config(materialized='ephemeral') }}
{%- set words = counting_words() %}
SELECT
    {{ 'TRUE' if 'excluded' in words else 'FALSE' }} AS counts_excluded,
    {{ 'FALSE' if 'completed' in words else 'TRUE' }} AS counts_incomplete
