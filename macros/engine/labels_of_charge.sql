{#
    All labels of a charge, as an array of (kind, key, value): each key of each kind once (see
    label_value). Besides, for each kind and for `any` of them, the key `(any)`: its value is
    `(labelled)`, or null for a charge that has no label of the kind, so that no charge is
    without an element. A label without a key is none.
#}
{% macro labels_of_charge() -%}
    {{ adapter.dispatch('labels_of_charge')() }}
{%- endmacro %}

{% macro duckdb__labels_of_charge() -%}
    {%- set found = [] -%}
    list_concat(
        {%- for kind, label in label_kinds().items() %}
        {%- set keys = 'list_distinct(list_transform(' ~ label.array ~ ', lambda item: ' ~ label.name ~ '))' %}
        {%- do found.append('len(' ~ keys ~ ') > 0') %}
        list_transform({{ keys }}, lambda key: {
            'kind': '{{ kind }}', 'key': key, 'value': {{ label_value(label.array, 'key', label.name) }}
        }),
        [{'kind': '{{ kind }}', 'key': '(any)', 'value': case when {{ found[-1] }} then '(labelled)' end}],
        {%- endfor %}
        [{'kind': 'any', 'key': '(any)', 'value': case when {{ found | join(' or ') }} then '(labelled)' end}]
    )
{%- endmacro %}

{% macro bigquery__labels_of_charge() -%}
    {%- set found = [] -%}
    array_concat(
        {%- for kind, label in label_kinds().items() %}
        {%- do found.append(
            'exists(select 1 from unnest(' ~ label.array ~ ') as item where item.key is not null)'
        ) %}
        array(
            select struct(
                '{{ kind }}' as kind,
                found.key as key,
                string_agg(distinct found.value, ' | ' order by found.value) as value
            )
            from (
                select {{ label.name }} as key, coalesce(item.value, '') as value
                from unnest({{ label.array }}) as item
            ) as found
            where found.key is not null
            group by found.key
            order by found.key
        ),
        [struct('{{ kind }}' as kind, '(any)' as key, if({{ found[-1] }}, '(labelled)', null) as value)],
        {%- endfor %}
        [struct('any' as kind, '(any)' as key, if({{ found | join(' or ') }}, '(labelled)', null) as value)]
    )
{%- endmacro %}
