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
    by hand, one CTE per trap, each with its reason, and do not depend on `rows` (0 leaves only
    them); nearly all touch 2024-11-01 of acme1281, the date the demo shows.

    The same on every machine, thread count and time zone: no random(), now() or hash(), amounts
    are integer nano-units until the last division, and md5 makes only the SKU ids. Ids have
    Google's form and do not exist in Google's catalogue. Columns that Google added in July 2025
    (consumption_model, cost_at_effective_price_default, ...) are set on the new-model CUD rows
    only, though their usage is of 2024: one quarter shows both models.
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

-- Ten-thousandths of a euro per US dollar, fixed per invoice month.
create or replace temp table exchange_rates as
select * from (
    values
        ('202409', 9047),
        ('202410', 9134),
        ('202411', 9218),
        ('202412', 9305),
        ('202501', 9366),
        ('202502', 9287),
) as exchange_rates (invoice_month, eur_e4);

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
        -- Without a slot: charged in special rows only.
        (null, 'Compute Engine', 'Commitment - dollar based v1: GCE for 1 year', null, null,
            'hour', 'seconds', 3600, null, null, null, null),
        (null, 'Compute Engine', 'Commitment v1: N2 Cpu in Americas for 1 Year', null, null,
            'hour', 'seconds', 3600, null, null, null, null),
        (null, 'Compute Engine', 'Compute Flexible CUDs 1 Year', null, null,
            'hour', 'seconds', 3600, null, null, null, null),
        (null, 'Support', 'Enhanced Support', null, null,
            null, null, null, null, null, null, null),
        (null, 'Invoice', 'Tax', null, null, null, null, null, null, null, null, null),
        (null, 'Invoice', 'Rounding error', null, null, null, null, null, null, null, null, null),
        (null, 'Invoice', 'Goodwill refund', null, null, null, null, null, null, null, null, null),
        (null, 'Initrode Observability (Marketplace)', 'Observability Pro: hosts', null, null,
            'hour', 'seconds', 3600, null, null, null, null),
        (null, 'Initrode Observability (Marketplace)', 'Observability Pro: monthly plan', null,
            null, 'month', 'seconds', 2628000, null, null, null, null),

)

select
    *,
    -- What shares a resource shares its project.
    min(slot) over (partition by coalesce(kind, sku)) as first_slot,
from listed_slots;

create or replace temp macro sku_id(sku) as
    upper(concat_ws('-', md5(sku)[1:4], md5(sku)[5:8], md5(sku)[9:12]));

create or replace temp table skus as
select distinct
    service,
    service_id,
    sku,
    sku_id(sku) as sku_id,
    pricing_unit,
    usage_unit,
    base_units,
from slots
join services using (service);

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

    -- Mild growth, quiet weekends, busy American office hours, days that differ; in thousandths.
    1000 + 2 * day as growth,
    if(is_weekend, 550, 1100) * if(hour(pacific_time) between 7 and 18, 1250, 800) // 1000
        * (960 + day * day * 37 % 81) // 1000 as office_load,

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
    -- 2,100 and not 2,208 hours: some meters start late, some rest at weekends.
    from range(coalesce(cast(getvariable('rows') as bigint), 750000) // 2100) as meters (meter)

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
        first_slot + unit * 5 as spread,
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
    {'id': sku_id(sku), 'description': sku} as sku,
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

-- One row per meter and hour, with its amounts in integer nano-units of the account's currency.
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

    -- Seconds that Pacific time is behind; its clocks change on 2024-11-03 at 09:00 UTC.
    case
        when not has_pacific_partitions then 0
        when export_epoch < 1730624400 then 25200
        else 28800
    end as partition_shift,
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
            'effective_price': cast(price_nano * rate_e4 // 10000 / 1e9 as decimal(38, 9)),
            'tier_start_amount': cast(0 as decimal(38, 9)),
            'unit': pricing_unit,
            'pricing_unit_quantity': cast(1 as decimal(38, 9)),
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
    to_timestamp(86400 * ((export_epoch - partition_shift) // 86400)) as _PARTITIONTIME,
from metered_hours;

/*
    The traps, one CTE each. A CTE names only what it is about; what it leaves out is filled in
    at the end: the USD account of acme1281, usage from started_at for one hour, exported nine
    hours later, cost type regular, the invoice by Google's rule. No project named is no project.
*/
create or replace temp table special_rows as
-- Most rows come within a day, some in ten, a few after the invoice is out: no window closes.
with late_rows as (

    select
        'acme-data-prod' as project_id,
        'Message Delivery Basic' as sku,
        'late-by-' || cast(lag_days as varchar) || '-days' as resource_name,
        started_at,
        started_at + to_days(lag_days) as exported_at,
        2.5 + lag_days / 100 as cost,
        0.05 as amount,
    from unnest([2, 3, 4, 5, 6, 7, 8, 9, 10, 36, 45, 75]) as lags (lag_days)
    cross join (
        values (timestamp '2024-10-31 20:00'), (timestamp '2024-11-01 20:00')
    ) as starts (started_at)

),

-- Google's own example, 10 then -10 then 5: the old usage date, a later invoice, no row touched.
corrected_rows as (

    select
        case account
            when 'acme_usd' then 'acme-payments-prod'
            when 'acme_eur' then 'acme-eu-web-prod'
            else 'globex-web-prod'
        end as project_id,
        'E2 Instance Core running in Americas' as sku,
        *,
        case when adjustment_mode is not null then 'adj-' || resource_name end as adjustment_id,
    from (
        values
            ('acme_usd', 'negated', timestamp '2024-11-01 10:00', timestamp '2024-11-01 21:00',
                10.0, null, null),
            ('acme_usd', 'negated', timestamp '2024-11-01 10:00', timestamp '2024-12-12 18:00',
                -10.0, 'COMPLETE_NEGATION_WITH_REMONETIZATION', 'USAGE_CORRECTION'),
            ('acme_usd', 'negated', timestamp '2024-11-01 10:00', timestamp '2024-12-12 18:00',
                5.0, 'COMPLETE_NEGATION_WITH_REMONETIZATION', 'USAGE_CORRECTION'),
            ('acme_usd', 'overpriced', timestamp '2024-11-01 13:00', timestamp '2024-11-02 01:00',
                7.654321, null, null),
            ('acme_usd', 'overpriced', timestamp '2024-11-01 13:00', timestamp '2025-01-14 18:00',
                -1.234567, 'PARTIAL_CORRECTION', 'PRICE_CORRECTION'),
            ('acme_usd', 'withdrawn', timestamp '2024-10-15 13:00', timestamp '2024-10-16 01:00',
                3.3, null, null),
            ('acme_usd', 'withdrawn', timestamp '2024-10-15 13:00', timestamp '2025-02-11 18:00',
                -3.3, 'COMPLETE_NEGATION', 'USAGE_CORRECTION'),
            -- Another invoice month, another rate: the USD value of a euro correction differs.
            ('acme_eur', 'negated-eu', timestamp '2024-11-01 10:00', timestamp '2024-11-01 21:00',
                9.218, null, null),
            ('acme_eur', 'negated-eu', timestamp '2024-11-01 10:00', timestamp '2024-12-12 18:00',
                -9.218, 'COMPLETE_NEGATION_WITH_REMONETIZATION', 'USAGE_CORRECTION'),
            ('acme_eur', 'negated-eu', timestamp '2024-11-01 10:00', timestamp '2024-12-12 18:00',
                4.609, 'COMPLETE_NEGATION_WITH_REMONETIZATION', 'USAGE_CORRECTION'),
            ('globex', 'negated-gx', timestamp '2024-11-01 10:00', timestamp '2024-12-12 18:00',
                -2.0, 'COMPLETE_NEGATION', 'USAGE_CORRECTION'),
    ) as corrections (
        account, resource_name, started_at, exported_at, cost, adjustment_mode, adjustment_type
    )

),

-- The money stays, the labels move: two rows that cancel out, except in a mart by label.
relabelled_rows as (

    select
        'acme-web-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        'relabelled' as resource_name,
        timestamp '2024-11-01 16:00' as started_at,
        timestamp '2024-12-12 18:00' as exported_at,
        cost,
        [{'key': 'team', 'value': team}] as labels,
        'adj-relabelled' as adjustment_id,
        'PARTIAL_CORRECTION' as adjustment_mode,
        'METADATA_CORRECTION' as adjustment_type,
    from (values (-6.25, 'web'), (6.25, 'growth')) as moves (cost, team)

),

-- Several credits on one row: joined to credits, its cost counts twice. Every type we know of,
-- an unknown one, and a credit above zero, which takes an earlier one back.
credited_rows as (

    select
        'acme-ml-prod' as project_id,
        'N1 Predefined Instance Core running in Americas' as sku,
        timestamp '2024-11-01 11:00' as started_at,
        2.0 as amount,
        *,
    from (
        values
            ('sud-and-promotion', 8.123456, [
                credit('Sustained Usage Discount', 'SUSTAINED_USAGE_DISCOUNT', -1.6246912),
                credit('Startup Credits 2024', 'PROMOTION', -6.4987648),
            ]),
            ('cud-and-discount', 6.4, [
                credit('Committed Usage Discount: CPU', 'COMMITTED_USAGE_DISCOUNT', -2.368),
                credit('Negotiated discount', 'DISCOUNT', -0.403200001),
            ]),
            ('resold', 12.0, [
                credit('Reseller margin', 'RESELLER_MARGIN', -1.08),
                credit('Subscription benefit', 'SUBSCRIPTION_BENEFIT', -0.5),
                credit('Free Tier', 'FREE_TIER', -0.25),
            ]),
            ('spend-cud', 5.5, [
                credit(
                    'Committed use discount - dollar based: GCE Commitments',
                    'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', -1.54
                ),
            ]),
            ('two-promotions', 4.0, [
                credit('Startup Credits 2024', 'PROMOTION', -1.0),
                credit('Startup Credits 2024', 'PROMOTION', -1.0),
            ]),
            ('unknown-credit', 3.0, [
                credit('Lunar New Year offer', 'CARBON_OFFSET_REBATE', -0.3),
            ]),
            ('positive-credit', 1.0, [
                credit('Startup Credits 2024', 'PROMOTION', 0.75),
            ]),
    ) as credited (resource_name, cost, credits)

),

-- Tax, rounding, support and adjustments have no project, resource or place: the complete RECORD
-- is null, and a filter on project.id loses them. They come with the invoice's last hour, which
-- for October is 2024-11-01 06:00 UTC. In initech's account they belong to neither tenant.
account_charges as (

    select
        account,
        sku,
        cost_type,
        started_at,
        started_at + interval 4 day as exported_at,
        cast(share * monthly_cost as decimal(18, 6)) as cost,
        null as amount,
    from (
        values ('acme_usd', 1.0), ('acme_eur', 0.1), ('globex', 0.2), ('initech', 0.1)
    ) as shares (account, share)
    cross join (
        values
            (timestamp '2024-11-01 06:00', 1.000),
            (timestamp '2024-12-01 07:00', 1.125),
            (timestamp '2024-12-31 23:00', 1.250),
    ) as months (started_at, growth)
    cross join lateral (
        values
            ('Tax', 'tax', 1873.41 * growth),
            ('Rounding error', 'rounding_error', 0.0049),
            ('Rounding error', 'rounding_error', -0.0021),
            ('Enhanced Support', 'regular', 500.00),
    ) as charges (sku, cost_type, monthly_cost)

),

-- Since 2020 tax may also come per project.
project_taxes as (

    select
        *,
        'Tax' as sku,
        'tax' as cost_type,
        timestamp '2024-11-01 06:00' as started_at,
    from (
        values
            ('acme_usd', 'acme-web-prod', 41.07),
            ('acme_usd', 'acme-data-prod', 62.93),
            ('acme_eur', 'acme-eu-web-prod', 8.36),
            ('initech', 'initech-a-web', 3.11),
            ('initech', 'initech-ab-test', 1.19),
    ) as taxes (account, project_id, cost)

),

-- A refund by hand: below zero, no project, no usage.
refunds as (

    select
        'Goodwill refund' as sku,
        'adjustment' as cost_type,
        timestamp '2024-11-01 17:00' as started_at,
        timestamp '2024-11-08 17:00' as exported_at,
        -125.5 as cost,
        'adj-goodwill-1' as adjustment_id,
        'MANUAL_ADJUSTMENT' as adjustment_mode,
        'GOODWILL' as adjustment_type,

),

-- The first 24 hours of a project carry no project; then the same machine has one.
newborn_rows as (

    select
        case when age >= 24 then 'acme-newborn' end as project_id,
        'E2 Instance Core running in Americas' as sku,
        timestamp '2024-10-31 18:00' + to_hours(cast(age as integer)) as started_at,
        0.08724636 as cost,
        4.0 as amount,
        {'location': 'us-east1', 'country': 'US', 'region': 'us-east1', 'zone': null} as location,
    from range(48) as ages (age)

),

-- A project that changes its billing account goes on in the other one, in the other currency.
nomad_rows as (

    select
        if(day <= timestamp '2024-11-01', 'acme_usd', 'acme_eur') as account,
        'acme-nomad' as project_id,
        'E2 Instance Core running in Americas' as sku,
        'nomad-vm' as resource_name,
        day + interval 15 hour as started_at,
        if(day <= timestamp '2024-11-01', 2.4, 2.21232) as cost,
    from range(timestamp '2024-10-25', timestamp '2024-11-09', interval 1 day) as days (day)

),

-- Below zero without any adjustment, exactly zero, below a billionth, 9 decimals, and large:
-- `cost > 0` drops some, integer micros lose some, float sums drift over all.
odd_amounts as (

    select
        'acme-shared-net' as project_id,
        'Static Ip Charge' as sku,
        timestamp '2024-11-01 08:00' as started_at,
        *,
    from (
        values
            ('negative-cost', -0.37),
            ('zero-cost', 0.0),
            ('zero-cost-again', 0.0),
            ('half-a-nano-less', 0.00000000049),
            ('half-a-nano-less-again', 0.00000000049),
            ('half-a-nano-more', 0.00000000062),
            ('one-nano', 0.000000001),
            ('nine-decimals', 0.123456789),
            ('large', 321.987654321),
    ) as amounts (resource_name, cost)

),

-- Rows alike in every column are both real: there is no row id, and DISTINCT loses money.
twin_rows as (

    select
        'acme-payments-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        if(twin < 2, 'twin', 'triplet') as resource_name,
        timestamp '2024-11-01 12:00' as started_at,
        1.375 as cost,
        1.0 as amount,
        [credit('Committed Usage Discount: CPU', 'COMMITTED_USAGE_DISCOUNT', -0.375)] as credits,
        [{'key': 'env', 'value': 'prod'}] as labels,
    from range(5) as twins (twin)

),

-- Days, months and daylight saving. UTC decides the usage date, the Pacific clock the invoice.
border_rows as (

    select
        'acme-web-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        *,
        1.0 as amount,
    from (
        values
            ('first-hours', timestamp '2024-10-01 06:30', timestamp '2024-10-01 07:00', 0.101),
            ('afternoon', timestamp '2024-10-31 23:30', timestamp '2024-11-01 00:00', 0.102),
            ('day-before', timestamp '2024-10-31 23:59:59.999999',
                timestamp '2024-11-01 00:59:59.999999', 0.103),
            ('midnight', timestamp '2024-11-01 00:00', timestamp '2024-11-01 01:00', 0.104),
            ('october', timestamp '2024-11-01 06:59:59.999999', timestamp '2024-11-01 07:30',
                0.105),
            ('november', timestamp '2024-11-01 07:00', timestamp '2024-11-01 08:00', 0.106),
            ('instant', timestamp '2024-11-01 12:00', timestamp '2024-11-01 12:00', 0.107),
            ('day-after', timestamp '2024-11-01 23:59:59.999999',
                timestamp '2024-11-02 00:59:59.999999', 0.108),
            ('next-midnight', timestamp '2024-11-02 00:00', timestamp '2024-11-02 01:00', 0.109),
            ('standard-time', timestamp '2024-12-01 07:59:59.999999',
                timestamp '2024-12-01 08:30', 0.110),
            ('december', timestamp '2024-12-01 08:00', timestamp '2024-12-01 09:00', 0.111),
            ('last-hour', timestamp '2024-12-31 23:00', timestamp '2025-01-01 00:00', 0.112),
            -- More than a day, and a complete Pacific month: the start decides the date.
            ('long-batch', timestamp '2024-10-31 20:00', timestamp '2024-11-02 04:00', 31.5),
            ('overnight', timestamp '2024-11-01 20:00', timestamp '2024-11-03 04:00', 31.5),
            ('october-flat', timestamp '2024-10-01 07:00', timestamp '2024-11-01 07:00', 199.0),
            ('november-flat', timestamp '2024-11-01 07:00', timestamp '2024-12-01 08:00', 199.0),
    ) as borders (resource_name, started_at, ended_at, cost)

),

-- One o'clock comes twice in California on 3 November: 08:00 and 09:00 UTC.
clock_change_rows as (

    select
        'acme-web-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        'clock-change' as resource_name,
        timestamp '2024-11-03 05:00' + to_hours(cast(hour as integer)) as started_at,
        0.02181159 as cost,
        1.0 as amount,
    from range(8) as hours (hour)

),

-- Exported on Pacific evenings and filed under the Pacific day: a partition older than the
-- usage itself, so a date's rows begin one partition before it.
pacific_partition_rows as (

    select
        'acme-data-prod' as project_id,
        'Analysis' as sku,
        'pacific-partition' as resource_name,
        started_at,
        started_at + interval 210 minute as exported_at,
        true as is_pacific_partition,
        1.5625 as cost,
        0.25 as amount,
    from (
        values (timestamp '2024-11-01 00:00'), (timestamp '2024-11-02 01:00')
    ) as starts (started_at)

),

-- Labels of four kinds that share their keys, a key twice in one row, a null array beside an
-- empty one, values that break whatever quotes or splits them by hand.
labelled_rows as (

    select
        'acme-gke-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        timestamp '2024-11-01 14:00' as started_at,
        0.5 as cost,
        1.0 as amount,
        *,
        resource_name = 'labels-null' as has_null_labels,
    from (
        values
            ('labels-null', null, null, null),
            ('labels-empty', [], [], []),
            (
                'labels-share-keys',
                [
                    {'key': 'env', 'value': 'from-label'},
                    {'key': 'environment', 'value': 'from-label'},
                    {'key': 'compute.googleapis.com/cores', 'value': 'from-label'},
                    {'key': 'folders/5512340001', 'value': 'from-label'},
                ],
                [{'key': 'compute.googleapis.com/cores', 'value': '4'}],
                [
                    {
                        'key': 'env', 'value': 'from-tag', 'inherited': false,
                        'namespace': '618273645001',
                    },
                    {
                        'key': 'environment', 'value': 'from-tag', 'inherited': true,
                        'namespace': '618273645001',
                    },
                ]
            ),
            (
                'label-twice',
                [{'key': 'team', 'value': 'web'}, {'key': 'team', 'value': 'data'}],
                [],
                []
            ),
            (
                'tag-namespaces',
                [],
                [],
                [
                    {
                        'key': 'environment', 'value': 'prod', 'inherited': true,
                        'namespace': '618273645001',
                    },
                    {
                        'key': 'environment', 'value': 'staging', 'inherited': false,
                        'namespace': 'acme-gke-prod',
                    },
                ]
            ),
            (
                E'café "日本" \'quoted\' back\\slash\nnew line',
                [
                    {'key': 'owner', 'value': E'Zoë O\'Hara "ops" \\ 🚀'},
                    {'key': 'note', 'value': E'two\nlines,\twith; a tab'},
                    {'key': 'attack', 'value': $$'); drop table billing_cost_daily; --$$},
                    {'key': 'template', 'value': $${{ var("date") }} {tenant_id} ${HOME}$$},
                    {'key': 'empty', 'value': ''},
                    {'key': 'missing', 'value': null},
                ],
                [],
                []
            ),
            ('label-long', [{'key': 'config', 'value': repeat('0123456789', 500)}], [], []),
    ) as labelled (resource_name, labels, system_labels, tags)

),

-- GKE cost allocation: labels name the cluster and namespace, also of what was not requested.
gke_rows as (

    select
        'acme-gke-prod' as project_id,
        'E2 Instance Core running in Americas' as sku,
        'gke-shop-pool-1' as resource_name,
        timestamp '2024-11-01 15:00' as started_at,
        0.375 as cost,
        4.0 as amount,
        [
            {'key': 'goog-k8s-cluster-name', 'value': 'shop'},
            {'key': 'goog-k8s-cluster-location', 'value': 'us-central1'},
            {'key': 'k8s-namespace', 'value': namespace},
            {'key': 'k8s-workload-type', 'value': 'apps/v1-Deployment'},
        ] as labels,
    from unnest([
        'shop', 'payments', 'kube-system', 'kube:unallocated', 'kube:system-overhead'
    ]) as namespaces (namespace)

),

-- A spend commitment of the old model: a fee by the hour, and credits on what it covers.
spend_cuds_as_credits as (

    select
        'acme-payments-prod' as project_id,
        timestamp '2024-11-01' + to_hours(cast(hour as integer)) as started_at,
        charges.*,
    from range(24) as hours (hour)
    cross join (
        values
            ('Commitment - dollar based v1: GCE for 1 year', null, 0.72, 0.72, [],
                'subscriptions/e52fd279-0851-4f53-a533-093119e27bad'),
            ('N2 Instance Core running in Americas', 'covered-by-credits', 1.0, 31.634558, [
                credit(
                    'Committed use discount - dollar based: GCE Commitments',
                    'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', -1.0
                ),
            ], null),
    ) as charges (sku, resource_name, cost, amount, credits, subscription_id)

),

-- The new model: covered usage is priced at the discount, and the fee is offset as far as it is
-- used, so the saving no longer stands among the credits. The last four hours lie idle in part.
spend_cuds_as_prices as (

    select
        'acme-payments-prod' as project_id,
        started_at,
        charge.*,
    from (
        select
            timestamp '2024-11-01' + to_hours(cast(hour as integer)) as started_at,
            'subscriptions/1fd3b130-40f8-4a79-ac6f-5753aaa0ceeb' as instance_id,
            if(hour < 20, 1.152, 0.6912) as used_fee,
            unnest([
                {
                    'sku': 'Compute Flexible CUDs 1 Year',
                    'resource_name': null,
                    'cost': 1.152,
                    'amount': 1.152,
                    'credits': [
                        credit('Fee utilization offset', 'FEE_UTILIZATION_OFFSET', -used_fee),
                    ],
                    'subscription_id': instance_id,
                    'consumption_model': {
                        'id': '7754-699E-0EBF',
                        'description': 'Default',
                        'applied_subscription_instance_id': null,
                    },
                    'effective_price': 1.0,
                    'price_default': 1.0,
                    'list_price': 1.0,
                    'list_price_consumption_model': 1.0,
                    'cost_at_default': 1.152,
                    'cost_at_list': 1.152,
                    'cost_at_list_consumption_model': 1.152,
                },
                {
                    'sku': 'E2 Instance Core running in Americas',
                    'resource_name': 'covered-by-price',
                    'cost': used_fee,
                    'amount': used_fee / 0.0144,
                    'credits': [],
                    'subscription_id': instance_id,
                    'consumption_model': {
                        'id': 'D97B-0795-975B',
                        'description': 'Compute Flexible CUDs 1 Year',
                        'applied_subscription_instance_id': instance_id,
                    },
                    'effective_price': 0.0144,
                    'price_default': 0.02,
                    'list_price': 0.021,
                    'list_price_consumption_model': 0.0144,
                    'cost_at_default': used_fee / 0.0144 * 0.02,
                    'cost_at_list': used_fee / 0.0144 * 0.021,
                    'cost_at_list_consumption_model': used_fee,
                },
                {
                    'sku': 'E2 Instance Core running in Americas',
                    'resource_name': 'not-covered',
                    'cost': 0.4,
                    'amount': 20.0,
                    'credits': [],
                    'subscription_id': null,
                    'consumption_model': {
                        'id': '7754-699E-0EBF',
                        'description': 'Default',
                        'applied_subscription_instance_id': null,
                    },
                    'effective_price': 0.02,
                    'price_default': 0.02,
                    'list_price': 0.021,
                    'list_price_consumption_model': 0.021,
                    'cost_at_default': 0.4,
                    'cost_at_list': 0.42,
                    'cost_at_list_consumption_model': 0.42,
                },
            ]) as charge,
        from range(24) as hours (hour)
    ) as charged_hours

),

-- A commitment for cores, not for spend: its fee, and usage that it pays for in full.
resource_cuds as (

    select
        'acme-payments-prod' as project_id,
        timestamp '2024-11-01 18:00' as started_at,
        *,
    from (
        values
            ('Commitment v1: N2 Cpu in Americas for 1 Year', null, 1.59, 80.0, [],
                'subscriptions/9f0b7c52-2f0e-4a1c-8d35-1f6f0f6b6c11'),
            ('N2 Instance Core running in Americas', 'committed-vm', 2.52888, 80.0, [
                credit('Committed Usage Discount: CPU', 'COMMITTED_USAGE_DISCOUNT', -2.52888),
            ], null),
    ) as charges (sku, resource_name, cost, amount, credits, subscription_id)

),

-- Bought from others through Google: another seller, another publisher, a subscription.
marketplace_rows as (

    select
        'acme-web-prod' as project_id,
        timestamp '2024-11-01 07:00' as started_at,
        'Initrode Software, Inc.' as seller_name,
        'PARTNER' as publisher_type,
        *,
    from (
        values
            ('Observability Pro: hosts', 'THIRD_PARTY_RESELLER', timestamp '2024-11-01 08:00',
                0.42, null),
            ('Observability Pro: monthly plan', 'THIRD_PARTY_AGENCY',
                timestamp '2024-12-01 08:00', 299.0, 'subscriptions/initrode-4711'),
    ) as purchases (sku, transaction_type, ended_at, cost, subscription_id)

),

-- Prices in tiers: the same SKU and hour in two rows, distinguished only by the price.
tiered_rows as (

    select
        'acme-web-prod' as project_id,
        'Download Worldwide Destinations (excluding Asia & Australia)' as sku,
        'tiered' as resource_name,
        timestamp '2024-11-01 19:00' as started_at,
        *,
        effective_price as list_price,
        cost as cost_at_list,
        {'location': 'us', 'country': 'US', 'region': null, 'zone': null} as location,
    from (
        values (0, 0.12, 24.0, 2.88), (1024, 0.11, 100.0, 11.0)
    ) as tiers (tier_start_amount, effective_price, amount, cost)

),

-- Columns were born over time and any RECORD may be null: no seller, no publisher, no usage,
-- no price; a project without name and number.
sparse_rows as (

    select
        'acme-nameless' as project_id,
        'Log Storage cost' as sku,
        timestamp '2024-11-01 21:00' as started_at,
        0.75 as cost,
        true as is_sparse,

),

-- Something for movers and anomalies to find: a query that ran away for six hours.
runaway_rows as (

    select
        'acme-data-dev' as project_id,
        'Analysis' as sku,
        'runaway-query' as resource_name,
        timestamp '2024-11-20 10:00' + to_hours(cast(hour as integer)) as started_at,
        75.0 as cost,
        12.0 as amount,
        75.0 as cost_at_list,
    from range(6) as hours (hour)

),

trap_rows as (

    select * from late_rows
    union all by name
    select * from corrected_rows
    union all by name
    select * from relabelled_rows
    union all by name
    select * from credited_rows
    union all by name
    select * from account_charges
    union all by name
    select * from project_taxes
    union all by name
    select * from refunds
    union all by name
    select * from newborn_rows
    union all by name
    select * from nomad_rows
    union all by name
    select * from odd_amounts
    union all by name
    select * from twin_rows
    union all by name
    select * from border_rows
    union all by name
    select * from clock_change_rows
    union all by name
    select * from pacific_partition_rows
    union all by name
    select * from labelled_rows
    union all by name
    select * from gke_rows
    union all by name
    select * from spend_cuds_as_credits
    union all by name
    select * from spend_cuds_as_prices
    union all by name
    select * from resource_cuds
    union all by name
    select * from marketplace_rows
    union all by name
    select * from tiered_rows
    union all by name
    select * from sparse_rows
    union all by name
    select * from runaway_rows

),

filled_rows as (

    select
        * replace (
            coalesce(account, 'acme_usd') as account,
            coalesce(cost_type, 'regular') as cost_type,
            coalesce(ended_at, started_at + interval 1 hour) as ended_at,
            coalesce(exported_at, ended_at + interval 9 hour, started_at + interval 10 hour)
                as exported_at,
            coalesce(is_sparse, false) as is_sparse,
            coalesce(is_pacific_partition, false) as is_pacific_partition,
            coalesce(has_null_labels, false) as has_null_labels
        ),
    from trap_rows

),

invoiced_rows as (

    select
        *,
        -- An invoice closes on the fifth: what is exported later rolls into the next one.
        strftime(
            greatest(
                started_at at time zone 'UTC' at time zone 'America/Los_Angeles',
                exported_at at time zone 'UTC' at time zone 'America/Los_Angeles'
                    - interval 5 day
            ),
            '%Y%m'
        ) as invoice_month,
    from filled_rows

),

special_rows as (

    select
        -- keys
        billing_account_id,
        {'id': service_id, 'description': service} as service,
        {'id': sku_id, 'description': sku} as sku,
        started_at at time zone 'UTC' as usage_start_time,
        ended_at at time zone 'UTC' as usage_end_time,

        -- attributes
        projects.project,
        if(has_null_labels, null, coalesce(labels, [])) as labels,
        if(has_null_labels, null, coalesce(system_labels, [])) as system_labels,
        coalesce(
            location,
            case
                when resource_name is not null then {
                    'location': 'us-central1-b', 'country': 'US', 'region': 'us-central1',
                    'zone': 'us-central1-b',
                }
            end
        ) as location,
        case
            when resource_name is not null then {
                'name': resource_name,
                'global_name': '//compute.googleapis.com/projects/' || project_id
                    || '/zones/us-central1-b/instances/' || resource_name,
            }
        end as resource,
        if(has_null_labels, null, coalesce(tags, [])) as tags,
        case
            when effective_price is not null then {
                'effective_price': cast(effective_price as decimal(38, 9)),
                'tier_start_amount': cast(coalesce(tier_start_amount, 0) as decimal(38, 9)),
                'unit': pricing_unit,
                'pricing_unit_quantity': cast(1 as decimal(38, 9)),
                'list_price': cast(list_price as decimal(38, 9)),
                'effective_price_default': cast(price_default as decimal(38, 9)),
                'list_price_consumption_model': cast(
                    list_price_consumption_model as decimal(38, 9)
                ),
            }
        end as price,
        case
            when subscription_id is not null then {'instance_id': subscription_id}
        end as subscription,
        if(is_sparse, null, coalesce(transaction_type, 'GOOGLE')) as transaction_type,
        if(is_sparse, null, coalesce(seller_name, 'Google Cloud')) as seller_name,
        exported_at at time zone 'UTC' as export_time,

        -- measures
        cast(cost as double) as cost,
        currency,
        if(currency = 'EUR', eur_e4, 10000) / 1e4 as currency_conversion_rate,
        case
            when amount is not null then {
                'amount': cast(amount as double) * base_units,
                'unit': usage_unit,
                'amount_in_pricing_units': cast(amount as double),
                'pricing_unit': pricing_unit,
            }
        end as usage,
        coalesce(credits, []) as credits,
        {
            'month': invoice_month,
            'publisher_type': if(is_sparse, null, coalesce(publisher_type, 'GOOGLE')),
        } as invoice,
        cost_type,
        case
            when adjustment_id is not null then {
                'id': adjustment_id,
                'description': 'Correction of ' || cast(cast(started_at as date) as varchar),
                'mode': adjustment_mode,
                'type': adjustment_type,
            }
        end as adjustment_info,
        cast(cost_at_list as double) as cost_at_list,
        consumption_model,
        cast(cost_at_default as double) as cost_at_effective_price_default,
        cast(cost_at_list_consumption_model as double) as cost_at_list_consumption_model,
        date_trunc(
            'day',
            if(
                is_pacific_partition,
                exported_at at time zone 'UTC' at time zone 'America/Los_Angeles',
                exported_at
            )
        ) at time zone 'UTC' as _PARTITIONTIME,
    from invoiced_rows
    join billing_accounts using (account)
    join skus using (sku)
    join exchange_rates using (invoice_month)
    left join projects using (account, project_id)

)

select * from special_rows;

-- In order of usage except the special rows: a query of a date reads few row groups.
copy (
    select * from ordinary_rows
    union all by name
    select * from special_rows
) to (getvariable('path')) (
    format parquet, compression zstd, row_group_size 50000, preserve_order false
);
