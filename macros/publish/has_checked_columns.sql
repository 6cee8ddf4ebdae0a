{#
    Whether an earlier call has already compared the columns of the model at hand with its contract and
    its table, and nothing can have changed since. The comparisons take five queries a table.
#}
{% macro has_checked_columns() -%}
    {{ return(
        is_deployed() and config.get('contract').enforced and reads_only_contracts(model.unique_id)
    ) }}
{%- endmacro %}
