{# One element of `failed_expectations` in x_meta_dq_results. #}
{% macro failed_expectation(name, description, severity, node, status, failing_rows, samples, message) -%}
    {{ return({
        'expectation': name, 'description': description, 'severity': severity, 'status': status,
        'failing_rows': failing_rows, 'node': node, 'samples': samples, 'message': message,
    }) }}
{%- endmacro %}
