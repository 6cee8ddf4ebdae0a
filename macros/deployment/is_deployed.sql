{#
    Whether this is a run of a dataset that has all that is deployed once: the runner then asks for a
    selector that ends in `_dates`. A run of the very same project has built everything there before.
#}
{% macro is_deployed() -%}
    {{ return((invocation_args_dict.get('selector') or '').endswith('_dates')) }}
{%- endmacro %}
