{#
    What stops a publication whose rows are not all of this call's dates: such rows would be published
    without a proof, and added again by every run.
#}
{% macro foreign_rows() -%}
    {{ return(
        this.identifier ~ " has rows that are not of this call's dates, or without a date: bound what it"
        ~ " reads by date_in_slice, and give each row its " ~ slice_column()
    ) }}
{%- endmacro %}
