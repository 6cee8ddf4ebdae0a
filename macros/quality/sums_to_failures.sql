{#
    Sums of the table equal those of another model, to the last nano. One failure for each group
    that differs, with the amount by which the table's first measure is too high. A group that one
    side lacks counts as 0 there, and so does a null. Options of the expectation:

    - sums_to: the other model
    - measures: columns or expressions, of money or counts ('1' counts rows); default [billed_cost]
    - against_measures: the same in the other model, where they have other names
    - per: the columns that make a group besides the date; default [currency]; against_per likewise
    - against_where: a condition for the rows of the other model that the table is about
    - for_each: columns that only this table has. For each of their values the table needs the
      complete sums of the other model: the rows of each label key, for example, add up to the bill
    - date: the date column of a view; a dated table has its own, and so has the other model
#}
{% macro sums_to_failures(model, name, table, options) -%}
    {%- set against = ref(options.sums_to) -%}
    {%- set date = date_of(table) or options.date -%}
    {%- set against_date = (date_of(against.identifier) or options.get('against_date', date)) if date else none -%}
    {%- set per = options.get('per', ['currency']) -%}
    {%- set against_per = options.get('against_per', per) -%}
    {%- set for_each = options.get('for_each', []) -%}
    {%- set measures = options.get('measures', ['billed_cost']) -%}
    {%- set against_measures = options.get('against_measures', measures) -%}
    {%- set keys = (['usage_date'] if date else []) + per + for_each -%}
    {%- set own, other, own_sums, other_sums, compared, differs, shown = [], [], [], [], [], [], [] -%}
    {%- if date -%}
        {%- do own.append(date ~ ' as usage_date') -%}
        {%- do other.append(against_date ~ ' as usage_date') -%}
    {%- endif -%}
    {%- for column in per -%}
        {%- do own.append(column) -%}
        {%- do other.append(against_per[loop.index0] ~ ' as ' ~ column) -%}
    {%- endfor -%}
    {%- for measure in measures -%}
        {%- set n = loop.index | string -%}
        {%- do own_sums.append(money('sum(' ~ money(measure) ~ ')') ~ ' as own_' ~ n ~ ', ' ~ money('0') ~ ' as other_' ~ n) -%}
        {%- do other_sums.append(money('0') ~ ' as own_' ~ n ~ ', ' ~ money('sum(' ~ money(against_measures[loop.index0]) ~ ')') ~ ' as other_' ~ n) -%}
        {%- do compared.append('coalesce(sum(own_' ~ n ~ '), 0) as own_' ~ n ~ ', coalesce(sum(other_' ~ n ~ '), 0) as other_' ~ n) -%}
        {%- do differs.append('own_' ~ n ~ ' <> other_' ~ n) -%}
        {%- do shown.append(('sum_' ~ n ~ '_here', 'cast(own_' ~ n ~ ' as ' ~ engine_type('text') ~ ')')) -%}
        {%- do shown.append(('sum_' ~ n ~ '_of_' ~ options.sums_to, 'cast(other_' ~ n ~ ' as ' ~ engine_type('text') ~ ')')) -%}
    {%- endfor -%}
    {%- set own_groups = ([date] if date else []) + per + for_each -%}
    {%- set other_groups = ([against_date] if date else []) + against_per -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(keys) }} as key,
        {{ money('own_1 - other_1') }} as amount,
        {{ (per | select('in', ['currency', 'BillingCurrency']) | first) or 'cast(null as ' ~ engine_type('text') ~ ')' }} as currency,
        1 as failing_rows,
        [{{ json_object(keys + shown) }}] as samples
    from (
        select
            {{ (keys + compared) | join(', ') }}
        from (
            select
                {{ (own + for_each + own_sums) | join(', ') }}
            from {{ model }}
            {%- if date and not date_of(table) %}
            where {{ date_in_tested_slice(date) }}
            {%- endif %}
            {{ grouped_by(own_groups) }}

            union all

            select
                {{ other | join(', ') }}{{ ',' if other }}
                {%- for column in for_each %}
                part.{{ column }},
                {%- endfor %}
                {{ other_sums | join(', ') }}
            from {{ against }}
            {%- if for_each %}
            cross join ({{ parts_of(model, for_each) }}) as part
            {%- endif %}
            where
                {{ date_in_tested_slice(against_date) if date else '1 = 1' }}
                and ({{ options.get('against_where') or '1 = 1' }})
            {{ grouped_by(other_groups + for_each) }}
        ) as both_sides
        {{ grouped_by(keys) }}
    ) as compared
    where {{ differs | join(' or ') }}
{%- endmacro %}
