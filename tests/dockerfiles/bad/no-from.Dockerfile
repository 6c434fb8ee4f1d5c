# syntax=docker/dockerfile:1
ARG X=1
WORKDIR /app
