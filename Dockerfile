# Two images of one build; scripts/container-check runs the steps of both without an engine.
#
#     docker build --target server -t vitrine .          HTTP on 8080, embedded or cloud parts
#     docker build --target functions -t vitrine-app .   the whole app under the Functions host
#
# The binary is one for x86-64: elsewhere give --platform linux/amd64.
# Tags move. Whoever wants the same base images twice gives their digests by --build-arg.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG FUNCTIONS_IMAGE=mcr.microsoft.com/azure-functions/dotnet-isolated:4-dotnet-isolated10.0
ARG SERVER_IMAGE=debian:12-slim

# The binary is the one of the zip: built for an old glibc, so any base image can run it.
FROM ${RUST_IMAGE} AS build
WORKDIR /src
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN binary=$(scripts/package_build) \
    && scripts/package --binary "$binary" out/app \
    && mkdir -p out/data

# The Functions host, and the app where it looks for one. The host runs on .NET whatever the
# handler is made of; of the images that have nothing else on top, this is the one that is kept up.
FROM ${FUNCTIONS_IMAGE} AS functions
ENV FUNCTIONS_WORKER_RUNTIME=custom \
    AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true
COPY --from=build /src/out/app /home/site/wwwroot
# Ends the build where the image cannot run it, and not the first request.
RUN ["/home/site/wwwroot/handler", "--version"]

# The server by itself. What it keeps is in /data: the database, the folder for uploads, refused
# rows. Nothing else is written to, so the rest may be mounted read-only.
FROM ${SERVER_IMAGE} AS server
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/scripts/container-health /usr/local/bin/container-health
COPY --from=build /src/out/app/handler /usr/local/bin/handler
COPY --from=build --chown=10001:10001 /src/out/data /data
ENV VITRINE_LISTEN=0.0.0.0:8080 \
    VITRINE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/container-health"]
ENTRYPOINT ["/usr/local/bin/handler"]
CMD ["serve"]
