# Debian with Python 3.11, the project and its locked packages; the workspace is the volume /srv/rounds. docs/deploy.md
FROM debian:bookworm-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 rounds \
    && install --directory --owner rounds --mode 0700 /opt/rounds /srv/rounds

USER rounds
WORKDIR /opt/rounds
COPY --chown=rounds . .

# Without a GPU: --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu saves some GB of CUDA libraries.
ARG PIP_EXTRA_INDEX_URL=""
RUN PIP_NO_CACHE_DIR=1 make setup postgres

ENV PATH=/opt/rounds/.venv/bin:$PATH ROUNDS_WORKSPACE=/srv/rounds
VOLUME /srv/rounds
CMD ["sh", "-c", "{ test -e $ROUNDS_WORKSPACE/dvc.yaml || rounds init $ROUNDS_WORKSPACE; } && exec rounds up"]
