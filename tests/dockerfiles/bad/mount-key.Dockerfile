FROM debian
RUN --network=none --mount=type=cache,tagret=/root/.cache \
    make
