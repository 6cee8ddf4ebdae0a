#!/usr/bin/env bash
# smoke.sh PROJECT EXPORT ACCOUNT DATE: onboard, check, estimate, run and rerun one date for a
# tenant of its own on a real project, then remove it. Fails when a run loads nothing or the two
# differ. Costs six reads of the export's partitions from the day before DATE up to now.
set -euo pipefail
cd "$(dirname "$0")/../.."

project=${1:?PROJECT= is missing: make smoke-bigquery PROJECT=p EXPORT=p.d.t ACCOUNT=A DATE=D}
export_ref=${2:?EXPORT= is missing: project.dataset.gcp_billing_export_resource_v1_...}
account=${3:?ACCOUNT= is missing: the billing account, such as 01ECB7-6EE0BA-7357F1}
day=${4:?DATE= is missing: a usage date}
tenant=smoke_$(date +%s)

export GCP_PROJECT=$project DBT_TARGET=bigquery
runner() { .venv/bin/runner "$@"; }
[ -e profiles.yml ] || cp profiles.yml.example profiles.yml
trap 'runner tenant remove "$tenant" --yes' EXIT

runner tenant add "$tenant" --admin-email smoke@example.com --plan scale \
    --export "$export_ref" --billing-account "$account"
runner doctor --tenant "$tenant"
runner run --tenant "$tenant" --date "$day" --dry-run
for n in 1 2; do
    runner run --tenant "$tenant" --date "$day" --json >"/tmp/$tenant.$n"
done
.venv/bin/python - "/tmp/$tenant.1" "/tmp/$tenant.2" <<'PYTHON'
import json, sys
first, second = (json.load(open(path)) for path in sys.argv[1:])
assert first["rows"] > 0, "the export has no usage for this date: name another DATE="
assert (first["rows"], first["totals"]) == (second["rows"], second["totals"]), (first, second)
print("two runs, one bill:", second["totals"])
PYTHON
runner quota --tenant "$tenant"
runner doctor --tenant "$tenant"
echo "smoke test passed"
