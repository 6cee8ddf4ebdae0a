#!/usr/bin/env bash
# A Cloud Run Job that Cloud Scheduler starts every night, and the grants that both need. It may be run
# again. Only its syntax was checked, because there was no Google Cloud where it was written:
# read it before you run it.
#
#   PROJECT=my-project REGION=europe-west1 EXPORT=billing-project:billing.gcp_billing_export_resource_v1_X \
#       bash cloud-run-job.sh
set -euo pipefail
: "${PROJECT:?the project that runs the jobs}" "${REGION:?such as europe-west1}" "${EXPORT:?project:dataset.table}"
LOCATION=${LOCATION:-EU} TASKS=${TASKS:-4}
IMAGE=$REGION-docker.pkg.dev/$PROJECT/billing/runner:0.1.0
RUNNER=runner@$PROJECT.iam.gserviceaccount.com
SCHEDULER=runner-scheduler@$PROJECT.iam.gserviceaccount.com

gcloud config set project "$PROJECT"
gcloud services enable run.googleapis.com cloudscheduler.googleapis.com artifactregistry.googleapis.com \
    cloudbuild.googleapis.com secretmanager.googleapis.com bigquery.googleapis.com

# Two accounts: what runs may read bills and start nothing; what starts may read nothing.
for name in runner runner-scheduler; do
    gcloud iam service-accounts describe "$name@$PROJECT.iam.gserviceaccount.com" >/dev/null 2>&1 ||
        gcloud iam service-accounts create "$name"
done
# docs/bigquery.md lists the roles. A dataset that the runner makes is its own.
for role in roles/bigquery.jobUser roles/bigquery.user; do
    gcloud projects add-iam-policy-binding "$PROJECT" --member="serviceAccount:$RUNNER" --role="$role" --condition=None
done
bq add-iam-policy-binding --member="serviceAccount:$RUNNER" --role=roles/bigquery.dataViewer "$EXPORT"

gcloud artifacts repositories describe billing --location="$REGION" >/dev/null 2>&1 ||
    gcloud artifacts repositories create billing --location="$REGION" --repository-format=docker
gcloud builds submit --tag "$IMAGE" .

# The mail server's password: gcloud secrets create runner-smtp --data-file=- (typed, not in the history).
gcloud secrets add-iam-policy-binding runner-smtp --member="serviceAccount:$RUNNER" --role=roles/secretmanager.secretAccessor

# The spool must outlast a task: it is in the folder of the logs, here a bucket with one for each task.
gcloud storage buckets describe "gs://$PROJECT-runner" >/dev/null 2>&1 ||
    gcloud storage buckets create "gs://$PROJECT-runner" --location="$REGION" --uniform-bucket-level-access
gcloud storage buckets add-iam-policy-binding "gs://$PROJECT-runner" \
    --member="serviceAccount:$RUNNER" --role=roles/storage.objectUser

# Each task has a part of the tenants. A task is repeated once; a catch-up loads only what is missing.
gcloud run jobs deploy catch-up --image="$IMAGE" --region="$REGION" --service-account="$RUNNER" \
    --tasks="$TASKS" --parallelism="$TASKS" --max-retries=1 --task-timeout=20h --cpu=2 --memory=4Gi \
    --add-volume="name=data,type=cloud-storage,bucket=$PROJECT-runner,mount-options=uid=10001;gid=10001;file-mode=600;dir-mode=700" \
    --add-volume-mount=volume=data,mount-path=/data \
    --set-env-vars="DBT_TARGET=bigquery,GCP_PROJECT=$PROJECT,BIGQUERY_LOCATION=$LOCATION,WAREHOUSE_DIR=/tmp/warehouse,RUNNER_TARGET_DIR=/tmp/target,SMTP_HOST=smtp.example.com" \
    --set-secrets=SMTP_PASSWORD=runner-smtp:latest \
    --command=sh --args=-c,'RUNNER_LOG_DIR=/data/$CLOUD_RUN_TASK_INDEX exec runner catch-up --all-tenants --shard "$CLOUD_RUN_TASK_INDEX/$CLOUD_RUN_TASK_COUNT" --trigger-by cloud-run'

gcloud run jobs add-iam-policy-binding catch-up --region="$REGION" \
    --member="serviceAccount:$SCHEDULER" --role=roles/run.invoker
URI=https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/catch-up:run
verb=create
gcloud scheduler jobs describe catch-up --location="$REGION" >/dev/null 2>&1 && verb=update
gcloud scheduler jobs "$verb" http catch-up --location="$REGION" --schedule="0 6 * * *" --time-zone=Etc/UTC \
    --uri="$URI" --http-method=POST --oauth-service-account-email="$SCHEDULER"
