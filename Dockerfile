# The runner and its dbt project in an image: nothing runs as root, and only /data and /tmp are written.
#
#   docker build --tag runner .
#   docker run --rm --read-only --tmpfs /tmp --volume billing:/data runner doctor
#
# What must persist in /data is in docs/deployment.md. There was no container engine where this was
# written: hadolint has read it, and `make test-release` executes its steps as a user without rights in
# a fresh folder. For a build that can be repeated byte by byte, pin the base by its digest, which
# `docker buildx imagetools inspect python:3.12.12-slim-trixie` prints: PYTHON=3.12.12-slim-trixie@sha256:...
ARG PYTHON=3.12.12-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# First what changes least. Every package has its hash, and the file names all that are needed.
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/runner \
    && /opt/runner/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements.txt \
    && /opt/runner/bin/python -m pip check
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE CONTRIBUTING.md .gitignore dbt_project.yml selectors.yml profiles.yml.example ./
COPY runner runner
COPY models models
COPY macros macros
COPY tests/dbt tests/dbt
COPY dbt_project dbt_project
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /src/wheel \
    && /opt/runner/bin/python -m pip install --quiet --no-index --no-deps /src/wheel/*.whl
# The project as every tenant runs it; mount another one at /srv/billing to use your own models. The
# target is BigQuery for this one command, which then has no sample export to write.
RUN DBT_TARGET=bigquery RUNNER_LOG_DIR=/src/logs /opt/runner/bin/runner init /srv/billing \
    && chmod -R a+rX,a-w /srv/billing \
    && mkdir -m 0700 /data

FROM python:${PYTHON}
COPY --from=build /opt/runner /opt/runner
COPY --from=build /srv/billing /srv/billing
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/runner/bin:$PATH \
    RUNNER_PROJECT_DIR=/srv/billing \
    WAREHOUSE_DIR=/data/warehouse \
    RUNNER_LOG_DIR=/data/logs \
    RUNNER_TARGET_DIR=/data/target \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/billing
VOLUME /data
USER 10001:10001
ENTRYPOINT ["runner"]
CMD ["doctor"]
