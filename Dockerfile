# Two images from one file:
#   docker build --target operator   --tag foresail/operator   .     (the default; no torch)
#   docker build --target forecaster --tag foresail/forecaster .     (with torch, gigabytes)
#
# The base is pinned by version. Pin its content too wherever images are published, with the digest that
# `docker buildx imagetools inspect python:3.11.13-slim-bookworm` prints:
#   docker build --build-arg PYTHON_IMAGE=python:3.11.13-slim-bookworm@sha256:… .
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Dependencies come from the lock file, with hashes. Bytecode is compiled here, since the root file system is read-only.
ENV UV_COMPILE_BYTECODE=1
ENV UV_LINK_MODE=copy
ENV UV_PYTHON_DOWNLOADS=never
ENV UV_PROJECT_ENVIRONMENT=/opt/foresail
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project
COPY README.md LICENSE ./
COPY foresail foresail
COPY forecasting forecasting
COPY operator operator
COPY policies policies
RUN uv sync --frozen --no-dev --no-editable

FROM build AS build-forecaster
RUN uv sync --frozen --no-dev --no-editable --extra train --extra history --extra objects

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/foresail/bin:$PATH
ENV PYTHONUNBUFFERED=1
ENV PYTHONDONTWRITEBYTECODE=1
# Nobody's user and group, as in the chart. Only /tmp is written, and only by libraries that want it.
USER 65532:65532
ENTRYPOINT ["foresail"]

FROM runtime AS forecaster
COPY --from=build-forecaster /opt/foresail /opt/foresail
EXPOSE 8090
# Artifacts are kept in a volume that is mounted there, and copied to the object store that --artifacts may name.
CMD ["forecaster", "--listen", "0.0.0.0:8090", "--artifacts", "/var/lib/foresail"]

FROM runtime AS operator
COPY --from=build /opt/foresail /opt/foresail
EXPOSE 8080
CMD ["operator", "--listen", "0.0.0.0:8080"]
