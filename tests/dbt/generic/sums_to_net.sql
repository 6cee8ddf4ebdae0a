{#
    The model's net cost equals that of another model, to the last nano, per currency and,
    where date columns are named, per date of this call, and per what `by` names in both. Fails
    for each that differs, with both sums. Nothing is joined: a side that lacks a key is a
    difference.
#}
{% test sums_to_net(
    model, against, date_column=none, against_date=none, net='billed_cost', against_net='billed_cost',
    by=[]
) %}

with both_sides as (

    select
        {{ date_column or 'cast(null as date)' }} as usage_date,
        {{ (['currency'] + by) | join(', ') }},
        {{ money(net) }} as model_net,
        {{ money('0') }} as against_net
    from {{ model }}
    where {{ date_in_tested_slice(date_column) if date_column else '1 = 1' }}

    union all

    select
        {{ (against_date or date_column) or 'cast(null as date)' }} as usage_date,
        {{ (['currency'] + by) | join(', ') }},
        {{ money('0') }} as model_net,
        {{ money(against_net) }} as against_net
    from {{ against }}
    where {{ date_in_tested_slice(against_date or date_column) if date_column else '1 = 1' }}

)

select
    usage_date,
    {{ (['currency'] + by) | join(', ') }},
    sum(model_net) as net_of_model,
    sum(against_net) as net_of_other
from both_sides
group by usage_date, {{ (['currency'] + by) | join(', ') }}
having coalesce(sum(model_net), 0) <> coalesce(sum(against_net), 0)

{% endtest %}
