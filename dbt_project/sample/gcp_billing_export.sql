/*
    One row per charge row of a detailed Cloud Billing export, made up: four billing accounts in
    one shared export, usage from 2024-10-01 to 2024-12-31 UTC, corrections up to February 2025.
    The 28 columns of Google's schema in Google's order, then `_PARTITIONTIME`.

    How to run it, on a connection of its own (its temp tables stay behind):

        con.execute("set variable path = 'export.parquet'")
        con.execute("set variable rows = 750000")  -- optional: about how many ordinary rows
        con.execute(script)                        -- the last statement writes the file

    | billing account      | currency | tenant               | projects                         |
    | 01ECB7-6EE0BA-7357F1 | USD      | acme1281             | acme-*                           |
    | 01EA5E-2C40D9-B81F36 | EUR      | acme1281             | acme-eu-*, acme-nomad from 2 Nov |
    | 01B0B5-4A17C3-90DE62 | USD      | globex               | globex-*                         |
    | 01D1CE-58F0A4-3C7B29 | USD      | initech_a, initech_b | by project, see `projects`; tax, |
    |                      |          |                      | support, rounding: of neither    |

    Ordinary rows are hours x meters; `rows` sets the number of meters. Special rows are written
    by hand, one CTE per trap, each with its reason, and do not depend on `rows`; nearly all of
    them touch 2024-11-01 of acme1281, the date the demo shows.

    The same on every machine, thread count and time zone: no random(), now() or hash(), amounts
    are whole nano-units until the last division, and md5 makes only the SKU ids. Services carry
    Google's public ids; SKU ids are in Google's form but name nothing real. Columns that Google
    added in July 2025 (consumption_model, cost_at_effective_price_default, ...) are set on the
    new-model CUD rows only, though their usage is of 2024: one quarter shows both models.
*/

create or replace temp macro credit(name, type, amount) as {
    'name': name,
    'amount': cast(amount as double),
    'full_name': name,
    'id': lower(replace(name, ' ', '-')),
    'type': type,
};

create or replace temp table billing_accounts as
select * from (
    values
        ('acme_usd', '01ECB7-6EE0BA-7357F1', 'USD', 'us'),
        ('acme_eur', '01EA5E-2C40D9-B81F36', 'EUR', 'europe'),
        ('globex', '01B0B5-4A17C3-90DE62', 'USD', 'us'),
        ('initech', '01D1CE-58F0A4-3C7B29', 'USD', 'us'),
) as billing_accounts (account, billing_account_id, currency, continent);

-- Units of the currency per US dollar, in ten-thousandths: fixed per invoice month.
create or replace temp table exchange_rates as
select * from (
    values
        ('202410', 10000, 9134),
        ('202411', 10000, 9218),
        ('202412', 10000, 9305),
        ('202501', 10000, 9366),
        ('202502', 10000, 9287),
) as exchange_rates (invoice_month, usd_e4, eur_e4);

create or replace temp table services as
select * from (
    values
        ('Compute Engine', '6F81-5844-456A'),
        ('Kubernetes Engine', 'CCD8-9BF1-090E'),
        ('Cloud Storage', '95FF-2EF5-5EA1'),
        ('BigQuery', '24E6-581D-38E5'),
        ('Cloud SQL', '9662-B51E-5089'),
        ('Cloud Run', '152E-C115-5142'),
        ('Cloud Functions', '29E7-DA93-CA13'),
        ('Cloud Pub/Sub', 'A1E8-BE35-7EBC'),
        ('Cloud Logging', '5490-F7B7-8DF6'),
        ('Cloud Monitoring', '58CD-E7C3-72CA'),
        ('Networking', 'E505-1604-58F8'),
        ('Vertex AI', 'C7E2-9256-1C43'),
        ('Cloud Memorystore for Redis', '5AF5-2C11-D467'),
        ('Support', '2062-016F-44A2'),
        ('Invoice', '1B4C-7F02-9A3E'),
        ('Initrode Observability (Marketplace)', '7D3A-0C55-E19B'),
) as services (service, service_id);

-- `is_metered` projects have ordinary rows; the others appear in special rows only.
create or replace temp table projects as
with named_projects as (

    select
        account,
        project_id,
        is_metered,
    from (
        values
            ('acme_usd', [
                'acme-web-prod', 'acme-web-staging', 'acme-data-prod', 'acme-data-dev',
                'acme-ml-prod', 'acme-ml-lab', 'acme-gke-prod', 'acme-shared-net',
                'acme-payments-prod', 'acme-sandbox',
            ], true),
            ('acme_eur', [
                'acme-eu-web-prod', 'acme-eu-data-prod', 'acme-eu-gke-prod', 'acme-eu-sandbox',
            ], true),
            ('globex', [
                'globex-web-prod', 'globex-web-dev', 'globex-data-prod', 'globex-data-dev',
                'globex-ml-prod', 'globex-gke-prod', 'globex-gke-dev', 'globex-shared-net',
                'globex-iot-prod', 'globex-sandbox',
            ], true),
            -- initech_b owns the last six: `initech-ab-test` starts like a project of initech_a.
            ('initech', [
                'initech-a-web', 'initech-a-data', 'initech-a-ml', 'initech-a-gke',
                'initech-a-net', 'initech-a-lab',
                'initech-b-web', 'initech-b-data', 'initech-b-gke', 'initech-b-net',
                'initech-b-lab', 'initech-ab-test',
            ], true),
            ('acme_usd', ['acme-newborn', 'acme-nomad', 'acme-nameless'], false),
            ('acme_eur', ['acme-nomad'], false),
    ) as listed_projects (account, project_ids, is_metered),
        unnest(project_ids) as listed_ids (project_id)

),

numbered_projects as (

    select
        *,
        row_number() over (partition by account, is_metered order by project_id) - 1 as seat,
        dense_rank() over (order by project_id) as project_order,
    from named_projects

)

select
    account,
    project_id,
    is_metered,
    seat,
    split_part(project_id, '-', 1) as organization,
    case
        when project_id like '%-prod' then 'prod'
        when project_id like '%-staging' then 'staging'
        else 'dev'
    end as environment,
    case organization
        when 'acme' then '618273645001'
        when 'globex' then '618273645002'
        else '618273645003'
    end as organization_number,
    case environment
        when 'prod' then '5512340001'
        when 'staging' then '5512340002'
        else '5512340003'
    end as folder_number,
    {
        'id': project_id,
        'number': if(project_id = 'acme-nameless', null, cast(
            481600000000 + project_order * 7368787 as varchar
        )),
        'name': if(project_id = 'acme-nameless', null, replace(project_id, '-', ' ')),
        'labels': case
            when seat % 4 = 3 then []
            else [
                {'key': 'env', 'value': environment},
                {'key': 'cost-center', 'value': 'cc-' || cast(100 + seat as varchar)},
            ]
        end,
        'ancestry_numbers': '/' || organization_number || '/' || folder_number || '/',
        'ancestors': [
            {
                'resource_name': 'folders/' || folder_number,
                'display_name': environment,
            },
            {
                'resource_name': 'organizations/' || organization_number,
                'display_name': organization || '.example',
            },
        ],
    } as project,
    [
        {
            'key': 'environment',
            'value': environment,
            'inherited': true,
            'namespace': organization_number,
        },
    ] as inherited_tags,
from numbered_projects;

/*
    One row per slot of a fleet unit: a SKU on a kind of resource. Slots of one kind share the
    resource, as a VM's core and memory do. Prices are nano-dollars per pricing unit, amounts are
    millionths of a pricing unit per hour, base_units are usage units per pricing unit.
*/
create or replace temp table slots as
with listed_slots (
    slot, service, sku, kind, scope, pricing_unit, usage_unit, base_units,
    price_nano, hourly_micro, profile, credit_kind
) as (

    values
        (0, 'Compute Engine', 'N2 Instance Core running in Americas', 'web', 'zone',
            'hour', 'seconds', 3600, 31611000, 2000000, 'flat', 'sud'),
        (1, 'Compute Engine', 'N2 Instance Ram running in Americas', 'web', 'zone',
            'gibibyte hour', 'byte-seconds', 3865470566400, 4237000, 8000000, 'flat', 'sud'),
        (2, 'Compute Engine', 'Storage PD Capacity', 'web', 'zone',
            'gibibyte month', 'byte-seconds', 2821793513472000, 40000000, 136986, 'flat', 'none'),
        (3, 'Compute Engine', 'Network Internet Data Transfer Out from Americas to Americas',
            'web', 'region', 'gibibyte', 'bytes', 1073741824, 120000000, 1300000, 'office', 'none'),
        (4, 'Compute Engine', 'E2 Instance Core running in Americas', 'api', 'zone',
            'hour', 'seconds', 3600, 21811590, 4000000, 'flat', 'cud'),
        (5, 'Compute Engine', 'E2 Instance Ram running in Americas', 'api', 'zone',
            'gibibyte hour', 'byte-seconds', 3865470566400, 2923530, 16000000, 'flat', 'cud'),
        (6, 'Compute Engine', 'N1 Predefined Instance Core running in Americas', 'legacy', 'zone',
            'hour', 'seconds', 3600, 31611000, 1000000, 'flat', 'sud_promotion'),
        (7, 'Compute Engine', 'N1 Predefined Instance Ram running in Americas', 'legacy', 'zone',
            'gibibyte hour', 'byte-seconds', 3865470566400, 4237000, 3750000, 'flat',
            'sud_promotion'),
        (8, 'Compute Engine', 'Spot Preemptible E2 Instance Core running in Americas', 'batch',
            'zone', 'hour', 'seconds', 3600, 6543000, 16000000, 'weekdays', 'none'),
        (9, 'Compute Engine', 'Spot Preemptible E2 Instance Ram running in Americas', 'batch',
            'zone', 'gibibyte hour', 'byte-seconds', 3865470566400, 877000, 64000000,
            'weekdays', 'none'),
        (10, 'Compute Engine', 'SSD backed PD Capacity', 'ledger-disk', 'zone',
            'gibibyte month', 'byte-seconds', 2821793513472000, 170000000, 684932, 'flat', 'none'),
        (11, 'Compute Engine', 'Static Ip Charge', 'ingress-ip', 'region',
            'hour', 'seconds', 3600, 10000000, 1000000, 'flat', 'none'),
        (12, 'Compute Engine', 'Nvidia Tesla T4 GPU running in Americas', 'train', 'zone',
            'hour', 'seconds', 3600, 350000000, 2000000, 'office', 'sud'),
        (13, 'Kubernetes Engine', 'Regional Kubernetes Clusters', 'cluster', 'region',
            'hour', 'seconds', 3600, 100000000, 1000000, 'flat', 'none'),
        (14, 'Compute Engine', 'E2 Instance Core running in Americas', 'gke-node', 'zone',
            'hour', 'seconds', 3600, 21811590, 8000000, 'office', 'cud'),
        (15, 'Compute Engine', 'E2 Instance Ram running in Americas', 'gke-node', 'zone',
            'gibibyte hour', 'byte-seconds', 3865470566400, 2923530, 32000000, 'office', 'cud'),
        (16, 'Compute Engine', 'Storage PD Capacity', 'gke-node', 'zone',
            'gibibyte month', 'byte-seconds', 2821793513472000, 40000000, 136986, 'flat', 'none'),
        (17, 'Kubernetes Engine', 'Autopilot Pod mCPU Requests (us-central1)', 'gke-pod', 'region',
            'hour', 'seconds', 3600, 44500, 750000000, 'office', 'none'),
        (18, 'Cloud Storage', 'Standard Storage US Multi-region', 'lake', 'multi',
            'gibibyte month', 'byte-seconds', 2821793513472000, 26000000, 12328767, 'flat', 'none'),
        (19, 'Cloud Storage', 'Nearline Storage US Regional', 'archive', 'region',
            'gibibyte month', 'byte-seconds', 2821793513472000, 10000000, 27397260, 'flat', 'none'),
        (20, 'Cloud Storage', 'Regional Standard Class A Operations', 'upload', 'region',
            'count', 'requests', 1, 5000, 21000000000, 'office', 'free_tier'),
        (21, 'Cloud Storage', 'Regional Standard Class B Operations', 'upload', 'region',
            'count', 'requests', 1, 400, 160000000000, 'office', 'free_tier'),
        (22, 'Cloud Storage', 'Download Worldwide Destinations (excluding Asia & Australia)',
            'media', 'multi', 'gibibyte', 'bytes', 1073741824, 120000000, 3100000, 'office',
            'none'),
        (23, 'BigQuery', 'Analysis', 'warehouse', 'multi',
            'tebibyte', 'bytes', 1099511627776, 6250000000, 140000, 'office', 'free_tier'),
        (24, 'BigQuery', 'Active Logical Storage', 'warehouse', 'multi',
            'gibibyte month', 'byte-seconds', 2821793513472000, 20000000, 6849315, 'flat', 'none'),
        (25, 'BigQuery', 'Long Term Logical Storage', 'warehouse', 'multi',
            'gibibyte month', 'byte-seconds', 2821793513472000, 10000000, 16438356, 'flat', 'none'),
        (26, 'BigQuery', 'Streaming Insert', 'events', 'multi',
            'mebibyte', 'bytes', 1048576, 48828, 900000000, 'office', 'none'),
        (27, 'Cloud SQL', 'Cloud SQL for PostgreSQL: Regional - vCPU in Americas', 'orders-db',
            'region', 'hour', 'seconds', 3600, 82600000, 4000000, 'flat', 'cud_dollar'),
        (28, 'Cloud SQL', 'Cloud SQL for PostgreSQL: Regional - RAM in Americas', 'orders-db',
            'region', 'gibibyte hour', 'byte-seconds', 3865470566400, 14000000, 15000000, 'flat',
            'cud_dollar'),
        (29, 'Cloud SQL', 'Cloud SQL for PostgreSQL: Regional - Standard storage in Americas',
            'orders-db', 'region', 'gibibyte month', 'byte-seconds', 2821793513472000, 340000000,
            342466, 'flat', 'none'),
        (30, 'Cloud Run', 'CPU Allocation Time', 'checkout', 'region',
            'second', 'seconds', 1, 24000, 5400000000, 'office', 'free_tier'),
        (31, 'Cloud Run', 'Memory Allocation Time', 'checkout', 'region',
            'gibibyte second', 'byte-seconds', 1073741824, 2500, 2700000000, 'office',
            'free_tier'),
        (32, 'Cloud Run', 'Requests', 'checkout', 'region',
            'count', 'requests', 1, 400, 52000000000, 'office', 'free_tier'),
        (33, 'Cloud Functions', 'Invocations', 'thumbnailer', 'region',
            'count', 'invocations', 1, 400, 31000000000, 'office', 'free_tier'),
        (34, 'Cloud Pub/Sub', 'Message Delivery Basic', 'events-topic', 'global',
            'tebibyte', 'bytes', 1099511627776, 40000000000, 1700, 'office', 'free_tier'),
        (35, 'Cloud Logging', 'Log Storage cost', null, 'global',
            'gibibyte', 'bytes', 1073741824, 500000000, 410000, 'office', 'free_tier'),
        (36, 'Cloud Monitoring', 'Metric Volume', null, 'global',
            'mebibyte', 'bytes', 1048576, 258000000, 730000, 'flat', 'none'),
        (37, 'Networking', 'Cloud Load Balancer Forwarding Rule Minimum Global', 'edge', 'global',
            'hour', 'seconds', 3600, 25000000, 1000000, 'flat', 'none'),
        (38, 'Networking', 'Cloud Nat Data Processing', 'nat', 'region',
            'gibibyte', 'bytes', 1073741824, 45000000, 2400000, 'office', 'none'),
        (39, 'Vertex AI', 'Online Prediction N1 Predefined Instance Core in Americas', 'endpoint',
            'region', 'hour', 'seconds', 3600, 36420000, 4000000, 'office', 'none'),
        (40, 'Cloud Memorystore for Redis', 'Redis Capacity Standard M2 Americas', 'cache',
            'region', 'gibibyte hour', 'byte-seconds', 3865470566400, 46000000, 8000000, 'flat',
            'none'),

)

select * from listed_slots;

create or replace temp table usage_hours as
with counted_hours as (

    select
        hour,
        hour // 24 as day,
        timestamp '2024-10-01' + to_hours(cast(hour as integer)) as started_at,
        started_at at time zone 'UTC' at time zone 'America/Los_Angeles' as pacific_time,
        isodow(started_at) > 5 as is_weekend,
    from range(92 * 24) as hours (hour)

)

select
    hour,
    day,
    is_weekend,
    started_at at time zone 'UTC' as usage_start_time,
    (started_at + interval 1 hour) at time zone 'UTC' as usage_end_time,

    -- What is used in an hour belongs to the invoice of its Pacific month.
    strftime(pacific_time, '%Y%m') as invoice_month,
    eur_e4,

    -- Mild growth, quiet weekends, busy American office hours; in thousandths.
    1000 + 2 * day as growth,
    if(is_weekend, 550, 1100) * if(hour(pacific_time) between 7 and 18, 1250, 800) // 1000
        as office_load,

    -- Discounts for sustained use grow within the invoice month.
    least(300, 100 + 7 * day(pacific_time)) as sustained,
from counted_hours
join exchange_rates on exchange_rates.invoice_month = strftime(pacific_time, '%Y%m');

/*
    One row per meter: a slot of a unit of an account's fleet, which reports every hour from its
    first day on. Everything about a charge that does not change by the hour is settled here.
*/
create or replace temp table meters as
with counted_meters as (

    select
        meter,
        list_extract(
            ['acme_usd', 'acme_usd', 'globex', 'acme_usd', 'acme_usd', 'initech', 'acme_usd',
            'acme_eur', 'acme_usd', 'acme_usd', 'acme_usd', 'globex', 'acme_usd', 'initech',
            'acme_usd', 'acme_eur', 'acme_usd', 'acme_usd', 'globex', 'acme_usd'],
            meter % 20 + 1
        ) as account,
        row_number() over (partition by account order by meter) - 1 as meter_of_account,
    -- 2,000 and not 2,208 hours: some meters start late, some rest at weekends.
    from range(coalesce(cast(getvariable('rows') as bigint), 750000) // 2000) as meters (meter)

),

assigned_meters as (

    select
        counted_meters.*,
        billing_accounts.* exclude (account),
        slots.* exclude (sku),
        services.service_id,
        -- Resources outlive the demo: one meter in ten starts within the quarter.
        if(meter % 10 = 9, meter * 37 % 80, 0) as first_day,
        meter_of_account // 41 as unit,
        coalesce(kind, '') || '-' || lpad(cast(unit as varchar), 3, '0') as resource_name,
        case continent
            when 'us' then slots.sku
            else replace(replace(slots.sku, 'Americas', 'EMEA'), 'US', 'EU')
        end as sku,
        case continent
            when 'us' then ['us-central1', 'us-central1', 'us-east1', 'us-west1'][unit % 4 + 1]
            else ['europe-west1', 'europe-west3'][unit % 2 + 1]
        end as region,
        region || '-' || ['b', 'c'][meter % 2 + 1] as zone,
        case scope
            when 'zone' then zone
            when 'region' then region
            when 'multi' then if(continent = 'us', 'us', 'eu')
            else 'global'
        end as location,
        [1, 2, 1, 4][unit % 4 + 1] as size,
        (length(coalesce(kind, sku)) * 7 + slot // 4 + unit * 3) as spread,
    from counted_meters
    join billing_accounts using (account)
    join slots on slots.slot = meter_of_account * 17 % 41
    join services using (service)

),

housed_meters as (

    select
        assigned_meters.*,
        projects.* exclude (account),
    from assigned_meters
    join projects
        on projects.account = assigned_meters.account
        and projects.is_metered
        and projects.seat = assigned_meters.spread % (
            select count(*) from projects as seats
            where seats.account = assigned_meters.account and seats.is_metered
        )

)

select
    -- keys
    meter,
    billing_account_id,

    -- what a charge row carries as it stands
    {'id': service_id, 'description': service} as service,
    {
        'id': upper(concat_ws('-', md5(sku)[1:4], md5(sku)[5:8], md5(sku)[9:12])),
        'description': sku,
    } as sku,
    project,
    case
        when kind in ('cluster', 'gke-node', 'gke-pod') then [
            {'key': 'goog-k8s-cluster-name', 'value': 'gke-' || environment},
            {'key': 'goog-k8s-cluster-location', 'value': region},
            {
                'key': 'k8s-namespace',
                'value': ['shop', 'search', 'payments', 'kube-system'][meter % 4 + 1],
            },
            {'key': 'k8s-workload-name', 'value': 'deploy-' || cast(meter % 9 as varchar)},
        ]
        when meter % 7 = 3 then []
        else [
            {'key': 'env', 'value': environment},
            {'key': 'team', 'value': ['web', 'data', 'ml', 'core', 'growth'][spread % 5 + 1]},
            {'key': 'app', 'value': coalesce(kind, 'platform')},
        ]
    end as labels,
    case
        when service = 'Compute Engine' and scope = 'zone' then [
            {
                'key': 'compute.googleapis.com/cores',
                'value': cast(2 * size as varchar),
            },
            {
                'key': 'compute.googleapis.com/machine_spec',
                'value': split_part(sku, ' ', 1) || '-standard-' || cast(2 * size as varchar),
            },
            {
                'key': 'compute.googleapis.com/memory',
                'value': cast(8192 * size as varchar),
            },
        ]
        else []
    end as system_labels,
    {
        'location': location,
        'country': case
            when location = 'global' then null
            when continent = 'us' then 'US'
            when location = 'europe-west3' or zone like 'europe-west3%' then 'DE'
            when scope in ('zone', 'region') then 'BE'
        end,
        'region': if(scope in ('zone', 'region'), region, null),
        'zone': if(scope = 'zone', zone, null),
    } as location,
    case
        when kind is not null then {
            'name': resource_name,
            'global_name': '//' || lower(split_part(replace(service, 'Cloud ', ''), ' ', 1))
                || '.googleapis.com/projects/' || project_id || '/locations/' || location
                || '/' || resource_name,
        }
    end as resource,
    if(meter % 5 = 2, [], inherited_tags) as tags,
    currency,
    pricing_unit,
    usage_unit,
    base_units,

    -- what the hours work on
    currency = 'EUR' as is_eur,
    service = 'Cloud Monitoring' as lacks_price,
    meter % 19 = 7 as lacks_list,
    price_nano,
    if(service = 'Compute Engine', price_nano * 100 // 97, price_nano) as list_price_nano,
    hourly_micro * size as hourly_micro,
    profile,
    credit_kind,
    first_day,
    meter % 8 = 5 as has_pacific_partitions,
from housed_meters
order by meter;

-- One row per meter and hour, with its amounts in whole nano-units of the account's currency.
create or replace temp view metered_hours as
with paired_hours as (

    select
        meters.*,
        usage_hours.* exclude (office_load, growth, day, is_weekend, eur_e4),
        if(is_eur, eur_e4, 10000) as rate_e4,
        1727740800 + 3600 * (hour + 1) as usage_end_epoch,

        -- Squares modulo a prime: as good as noise, and the same everywhere.
        (meter * 7919 + hour * 104729) % 1000003 as seed,
        seed * seed % 1000003 as noise,
        if(profile = 'flat', 1000, (850 + noise % 301) * growth // 1000) as load,
        if(profile = 'office', office_load, 1000) as season,
    from usage_hours
    cross join meters
    where day >= first_day and not (profile = 'weekdays' and is_weekend)

)

select
    *,
    hourly_micro * load // 1000 * season // 1000 as amount_micro,
    amount_micro * price_nano // 1000000 * rate_e4 // 10000 as cost_nano,
    amount_micro * list_price_nano // 1000000 * rate_e4 // 10000 as list_cost_nano,

    -- Most rows come within a day; one in 67 comes 2 to 5 days late.
    if(noise % 67 = 0, 48 + noise % 73, 2 + noise % 22) * 3600 + noise % 3600 as lag_seconds,
    usage_end_epoch + lag_seconds as export_epoch,
from paired_hours;

create or replace temp view ordinary_rows as
select
    billing_account_id,
    service,
    sku,
    usage_start_time,
    usage_end_time,
    project,
    labels,
    system_labels,
    location,
    resource,
    tags,
    case
        when not lacks_price then {
            'effective_price': cast(price_nano * rate_e4 // 10000 as decimal(38, 9)) / 1000000000,
            'tier_start_amount': 0,
            'unit': pricing_unit,
            'pricing_unit_quantity': 1,
            'list_price': null,
            'effective_price_default': null,
            'list_price_consumption_model': null,
        }
    end as price,
    null as subscription,
    'GOOGLE' as transaction_type,
    'Google Cloud' as seller_name,
    to_timestamp(export_epoch) as export_time,
    cost_nano / 1e9 as cost,
    currency,
    rate_e4 / 1e4 as currency_conversion_rate,
    {
        'amount': amount_micro * (base_units / 1e6),
        'unit': usage_unit,
        'amount_in_pricing_units': amount_micro / 1e6,
        'pricing_unit': pricing_unit,
    } as usage,
    case credit_kind
        when 'sud' then [credit(
            'Sustained Usage Discount', 'SUSTAINED_USAGE_DISCOUNT',
            -(cost_nano * sustained // 1000) / 1e9
        )]
        when 'sud_promotion' then [
            credit(
                'Sustained Usage Discount', 'SUSTAINED_USAGE_DISCOUNT',
                -(cost_nano * sustained // 1000) / 1e9
            ),
            credit('Startup Credits 2024', 'PROMOTION', -(cost_nano * 250 // 1000) / 1e9),
        ]
        when 'cud' then [credit(
            'Committed Usage Discount: CPU', 'COMMITTED_USAGE_DISCOUNT',
            -(cost_nano * 148 // 1000) / 1e9
        )]
        when 'cud_dollar' then [credit(
            'Committed use discount - dollar based: Cloud SQL',
            'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE',
            -(cost_nano * 250 // 1000) / 1e9
        )]
        when 'free_tier' then if(
            noise % 5 = 0, [credit('Free Tier', 'FREE_TIER', -cost_nano / 1e9)], []
        )
        else []
    end as credits,
    {'month': invoice_month, 'publisher_type': 'GOOGLE'} as invoice,
    'regular' as cost_type,
    null as adjustment_info,
    if(lacks_list, null, list_cost_nano / 1e9) as cost_at_list,
    null as consumption_model,
    null as cost_at_effective_price_default,
    null as cost_at_list_consumption_model,
    to_timestamp(
        86400 * ((export_epoch - if(has_pacific_partitions, 25200, 0)) // 86400)
    ) as _PARTITIONTIME,
from metered_hours;
