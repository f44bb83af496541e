{# Made by `make dbt` (python -m wootric_pipeline.insight.dbt), which overwrites what is changed here. #}
{# The variable `counting`: in what the account counts otherwise. #}
{% macro counting_words() %}
    {%- set known = ['excluded', 'completed', 'utc'] -%}
    {%- set given = var('counting', []) or [] -%}
    {%- set words = given.split(',') | map('trim') | select | list if given is string else given -%}
    {%- for word in words if word not in known -%}
        {%- do exceptions.raise_compiler_error(
            'counting knows no ' ~ word ~ ' here; choose from ' ~ known | join(', ') ~ '.'
        ) -%}
    {%- endfor -%}
    {%- do return(words) -%}
{% endmacro %}


{# The variable `surveys`: which metric surveys are, by their ids. #}
{% macro given_metrics() %}
    {%- set found = {} -%}
    {%- for survey, metric in (var('surveys', {}) or {}).items() -%}
        {%- set word = (metric | string).strip().lower() -%}
        {%- if not (survey | string).isdecimal() or word not in ['nps', 'csat', 'ces'] -%}
            {%- do exceptions.raise_compiler_error(
                'surveys must say nps, csat or ces of each survey_id, such as {11: nps, 12: csat}.'
            ) -%}
        {%- endif -%}
        {%- do found.update({survey | int: word}) -%}
    {%- endfor -%}
    {%- do return(found) -%}
{% endmacro %}
