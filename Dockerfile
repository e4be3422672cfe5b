# Images that serve and train; docs/container.md describes how to build, pin and run them.
#   cpu    serves on processors (the default)
#   gpu    serves on an NVIDIA GPU; CUDA and cuDNN come from the lock, the driver from the host
#   train  prepares, trains, tunes, exports and measures voices

# To pin the base image, give a digest: --build-arg BASE_IMAGE=python@sha256:...
ARG BASE_IMAGE=python:3.13-slim-bookworm
# May be an image without shell and package manager that has the same Python at the same path.
ARG RUNTIME_IMAGE=${BASE_IMAGE}

FROM ${BASE_IMAGE} AS tools
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY deploy/locks/build.txt /src/locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --quiet --require-hashes --requirement /src/locks/build.txt
COPY scripts/image /opt/tools/bin/

FROM tools AS wheel
ARG REVISION=
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY dlpo dlpo
COPY dlpo_cli dlpo_cli
COPY serving serving
COPY export export
COPY benchmarks/dlpo_bench benchmarks/dlpo_bench
RUN SOURCE_COMMIT="${REVISION}" /opt/tools/bin/hatchling build --target wheel --directory /dist

FROM tools AS cpu-environment
ARG PIP_INDEX_URL
COPY deploy/locks/cpu.txt /src/locks/
RUN --mount=type=cache,target=/root/.cache/pip /opt/tools/bin/install-locked /src/locks/cpu.txt
COPY --from=wheel /dist /dist
COPY pyproject.toml /src/
ARG SOURCE_DATE_EPOCH=0
RUN /opt/tools/bin/finish

FROM tools AS gpu-environment
ARG PIP_INDEX_URL
# gpu is for CUDA 13 (driver 580), gpu-cuda12 for older drivers.
ARG GPU_LOCK=gpu
COPY deploy/locks/gpu.txt deploy/locks/gpu-cuda12.txt /src/locks/
RUN --mount=type=cache,target=/root/.cache/pip /opt/tools/bin/install-locked "/src/locks/${GPU_LOCK}.txt"
# TensorRT's libraries are only on NVIDIA's index: both arguments together install them (docs/gpu.md#tensorrt).
ARG TENSORRT_INDEX=
ARG TENSORRT_SHA256=
RUN /opt/tools/bin/install-tensorrt "${TENSORRT_INDEX}" "${TENSORRT_SHA256}"
COPY --from=wheel /dist /dist
COPY pyproject.toml /src/
ARG SOURCE_DATE_EPOCH=0
RUN /opt/tools/bin/finish

FROM tools AS train-environment
ARG PIP_INDEX_URL
# To build pyworld. None of this gets into the image, so versions need not be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/locks/train.txt /src/locks/
RUN --mount=type=cache,target=/root/.cache/pip /opt/tools/bin/install-locked /src/locks/train.txt
COPY --from=wheel /dist /dist
COPY pyproject.toml /src/
ARG SOURCE_DATE_EPOCH=0
RUN /opt/tools/bin/finish

# The voice with fp16, for GPUs: exporting it needs torch, speaking with it does not. Only `gpu` uses it.
FROM train-environment AS gpu-voice
COPY voices/spectral/tuned /src/voice
RUN /opt/dlpo/bin/python -m dlpo export /src/voice --out /opt/voices/heart --voice heart --voice lj \
        --voice michael --voice fenrir --voice nova --voice bella --voice puck --voice sarah --voice echo \
        --voice dora --voice alex --precision fp16 --precision int8 \
        --steps 1 --steps 2 --steps 3 --default-steps 1 --schedule cosine:1.25 --eta 0.7

# From here on nothing is run, only copied.
FROM ${RUNTIME_IMAGE} AS runtime
ARG REVISION=
ARG SOURCE_URL=
ARG VERSION=
LABEL org.opencontainers.image.title="dlpo" \
    org.opencontainers.image.description="Few-step diffusion speech, streamed over gRPC" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE_URL}" \
    org.opencontainers.image.version="${VERSION}"
# Otherwise onnxruntime would report each session to Microsoft.
ENV ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/dlpo/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/dlpo/pycache \
    PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["/opt/dlpo/bin/python", "-m", "dlpo"]

FROM runtime AS train
# torch looks up the user's name, which no file has for a bare UID; what it compiles goes to /tmp.
ENV HOME=/tmp USER=dlpo
COPY --from=train-environment /opt/dlpo /opt/dlpo
WORKDIR /work
CMD ["--help"]

FROM runtime AS server
ENV DLPO_CONFIG=/etc/dlpo/dlpo.toml
EXPOSE 50051 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/opt/dlpo/bin/dlpo", "health"]
CMD ["serve"]

FROM server AS gpu
ENV HOME=/tmp NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY scripts/image/gpu.toml /etc/dlpo/dlpo.toml
COPY --from=gpu-environment /opt/dlpo /opt/dlpo
COPY --from=gpu-voice /opt/voices /opt/voices

FROM server AS cpu
COPY scripts/image/cpu.toml /etc/dlpo/dlpo.toml
COPY --from=cpu-environment /opt/dlpo /opt/dlpo
