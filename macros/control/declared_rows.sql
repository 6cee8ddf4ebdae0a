{#
    No rows, in the shape that the model's YAML declares: the contract is the one place
    where a control table's columns stand.
#}
{% macro declared_rows() %}
select
    {%- for column in model.columns.values() %}
    cast(null as {{ column.data_type }}) as {{ column.name }}{{ "," if not loop.last }}
    {%- endfor %}
from (select 1 as no_row) as none
where no_row = 0
{% endmacro %}
