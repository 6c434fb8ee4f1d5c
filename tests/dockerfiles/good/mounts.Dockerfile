FROM alpine AS tools
FROM alpine
ARG CACHE=deps
RUN --mount=type=secret,id=npm,target=/root/.npmrc,required=true,mode=0400 npm ci
RUN --mount=type=secret,id=token,env=TOKEN curl -H "Authorization: $TOKEN" https://example.com
RUN --mount=type=ssh git clone git@example.com:a/b.git
RUN --mount=type=tmpfs,target=/tmp,size=64m make
RUN --mount=from=tools,source=/bin,target=/tools,ro /tools/busybox true
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=private,id=${CACHE}-lists \
    --mount=type=bind,source=pkgs.txt,target=/pkgs.txt \
    xargs apt-get install -y < /pkgs.txt
RUN --mount='type=bind,"source=a,b",target=/c' cat /c
