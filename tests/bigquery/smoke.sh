#!/usr/bin/env bash
# smoke.sh PROJECT EXPORT ACCOUNT DATE: the first day on a real project, for a tenant of its own that is
# removed afterwards: add it, check, estimate, load the date twice, ask which dates moved, check again.
# Fails when a check fails or is missing, a run loads nothing, or the two bills differ. Costs six reads of
# the export's partitions from the day before DATE up to now, and one of few columns of all of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

project=${1:?PROJECT= is missing: make smoke-bigquery PROJECT=p EXPORT=p.d.t ACCOUNT=A DATE=D}
export_ref=${2:?EXPORT= is missing: project.dataset.gcp_billing_export_resource_v1_...}
account=${3:?ACCOUNT= is missing: the billing account, such as 01ECB7-6EE0BA-7357F1}
day=${4:?DATE= is missing: a usage date}
tenant=smoke_$(date +%s)
answers=$(mktemp -d)

export GCP_PROJECT=$project DBT_TARGET=bigquery
runner() { "${RUNNER:-.venv/bin/runner}" "$@"; }
python() { "${PYTHON:-.venv/bin/python}" "$@"; }
# What only a real project can answer: docs/bigquery.md, On the first real day.
doctor() {
    runner doctor --tenant "$tenant" --json >"$answers/doctor" || true
    python - "$answers/doctor" <<'PYTHON'
import json, sys
names = "profile", "clock", "time zone", "quota", "credentials", "pruning", "partitions", "permissions"
found = {one["name"]: one for one in json.load(open(sys.argv[1]))["checks"]}
for name in names:
    assert name in found, f"doctor has no check '{name}'"
for one in found.values():
    print(f"{one['status']:5} {one['name']}: {one['detail']}")
failed = [f"{one['name']}: {one['remedy']}" for one in found.values() if one["status"] == "fail"]
sys.exit("failed, with what to run: " + "; ".join(failed) if failed else 0)
PYTHON
}
[ -e profiles.yml ] || cp profiles.yml.example profiles.yml
trap 'runner tenant remove "$tenant" --yes; rm -rf "$answers"' EXIT

runner tenant add "$tenant" --admin-email smoke@example.com --plan scale \
    --export "$export_ref" --billing-account "$account"
doctor
runner run --tenant "$tenant" --date "$day" --dry-run
for n in 1 2; do
    runner run --tenant "$tenant" --date "$day" --json >"$answers/run.$n"
done
python - "$answers/run.1" "$answers/run.2" <<'PYTHON'
import json, sys
first, second = (json.load(open(path)) for path in sys.argv[1:])
assert first["rows"] > 0, "the export has no usage for this date: name another DATE="
assert (first["rows"], first["totals"]) == (second["rows"], second["totals"]), (first, second)
print("two runs, one bill:", second["totals"])
PYTHON
runner catch-up --tenant "$tenant" --dry-run
runner quota --tenant "$tenant"
doctor
echo "smoke test passed"
