{#
    Measures of the model, summed per group, equal those of another model, to the last nano.
    Fails for each group that differs, with both sums. A group that one side lacks counts as 0
    there, and so is a null.

    - columns: what names a group, `currency` among them; against_columns: what the other model
      calls them, in the same order, if otherwise
    - measures, against_measures: columns or expressions, of money or counts: `'1'` counts rows
    - date_column, against_date: compare only the dates of this call
    - against_where: the part of the other model that the model is about
    - for_each: columns of this model alone, for each of whose values the other side comes in
      whole: the rows of every label key, say, add up to the bill
#}
{% test reconciles_to(
    model, against, columns, measures, against_columns=none, against_measures=none,
    date_column=none, against_date=none, against_where=none, for_each=[]
) %}

{%- set groups = columns + for_each %}
{%- set other_columns = [] %}
{%- for column in against_columns or columns %}
    {%- do other_columns.append(column ~ ' as ' ~ columns[loop.index0]) %}
{%- endfor %}
{%- set sums, other_sums, model_side, other_side, both, differs = [], [], [], [], [], [] %}
{%- for measure in measures %}
    {%- set n = loop.index | string %}
    {%- set other_measure = (against_measures or measures)[loop.index0] %}
    {%- do sums.append('sum(' ~ money(measure) ~ ') as sum_' ~ n) %}
    {%- do other_sums.append('sum(' ~ money(other_measure) ~ ') as sum_' ~ n) %}
    {%- do model_side.append('sum_' ~ n ~ ' as model_' ~ n ~ ', ' ~ money('0') ~ ' as other_' ~ n) %}
    {%- do other_side.append(money('0') ~ ' as model_' ~ n ~ ', sum_' ~ n ~ ' as other_' ~ n) %}
    {%- do both.append('sum(model_' ~ n ~ ') as sum_' ~ n ~ '_of_model, sum(other_' ~ n ~ ') as sum_' ~ n ~ '_of_other') %}
    {%- do differs.append('coalesce(sum(model_' ~ n ~ '), 0) <> coalesce(sum(other_' ~ n ~ '), 0)') %}
{%- endfor %}

with model_sums as (

    select
        {{ groups | join(', ') }},
        {{ sums | join(', ') }}
    from {{ model }}
    where {{ date_in_tested_slice(date_column) if date_column else '1 = 1' }}
    group by {{ groups | join(', ') }}

),

other_sums as (

    select
        {{ other_columns | join(', ') }},
        {{ other_sums | join(', ') }}
    from {{ against }}
    where
        {{ date_in_tested_slice(against_date or date_column) if date_column else '1 = 1' }}
        and ({{ against_where or '1 = 1' }})
    group by {{ (against_columns or columns) | join(', ') }}

),

{%- if for_each %}

parts as (

    select {{ for_each | join(', ') }}
    from model_sums
    group by {{ for_each | join(', ') }}

    union all

    -- An empty model has no parts, and would be compared with nothing.
    select null as {{ for_each | join(', null as ') }}
    from (select count(*) as groups_found from model_sums) as found
    where groups_found = 0

),

{%- endif %}

both_sides as (

    select
        {{ groups | join(', ') }},
        {{ model_side | join(', ') }}
    from model_sums

    union all

    select
        {{ groups | join(', ') }},
        {{ other_side | join(', ') }}
    from other_sums
    {{ 'cross join parts' if for_each }}

)

select
    {{ groups | join(', ') }},
    {{ both | join(', ') }}
from both_sides
group by {{ groups | join(', ') }}
having {{ differs | join(' or ') }}

{% endtest %}
