# A file of an editor on Windows.
FROM alpine:3.19

RUN apk add --no-cache \
    curl \
    # for the health check
    jq
COPY <<EOF /etc/motd
Welcome.
EOF
CMD ["sh"]
