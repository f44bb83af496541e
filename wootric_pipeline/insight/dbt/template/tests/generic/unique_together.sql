{# A row for each combination of columns; null is a value like any other. #}
{% test unique_together(model, columns) %}
SELECT {{ columns | join(', ') }}, COUNT(*) AS occurrences
FROM {{ model }}
GROUP BY {{ columns | join(', ') }}
HAVING COUNT(*) > 1
{% endtest %}
