# docker build -t gateway .
# docker run -p 8080:8080 -v ./rules:/rules:ro -v gateway-data:/data --env-file secrets.env gateway
#
# Python is the version that the locks are made with and the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The lock first: a change of our own code reuses this layer.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/gateway \
    && pip --python /opt/gateway/bin/python install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY rules/library rules/library
# The lock holds the build tools too; what runs does without them.
RUN pip --python /opt/gateway/bin/python install --no-deps --no-build-isolation . \
    && pip --python /opt/gateway/bin/python uninstall --yes \
        hatchling editables packaging pathspec pluggy tomlkit trove-classifiers \
    && pip --python /opt/gateway/bin/python check \
    && /opt/gateway/bin/gateway --help > /dev/null

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner gateway --group gateway --mode 0750 /data \
    && install --directory /rules
COPY --from=build /opt/gateway /opt/gateway
ENV PATH="/opt/gateway/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_RULES=/rules \
    GATEWAY_STORE=sqlite:////data/gateway.db \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=8080
# By number: Kubernetes' runAsNonRoot can't resolve a name.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Liveness, past any proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['GATEWAY_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
