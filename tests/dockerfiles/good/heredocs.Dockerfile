# syntax=docker/dockerfile:1.7
# check=error=true
FROM debian:12

RUN <<EOF
set -e
# This is a comment of the script, not of the Dockerfile.
apt-get update
apt-get install -y \
    python3
EOF

RUN <<-SCRIPT
	#!/usr/bin/env python3
	for n in range(3):
		print(n)
	SCRIPT

RUN cat <<'A' >/etc/a && cat <<B >/etc/b
$HOME stays as it is
A
$HOME is for the shell
B

COPY <<index.html <<"raw.txt" robots.txt /usr/share/www/
<h1>${TITLE:-Hello}</h1>
index.html
${NOT} expanded
raw.txt

COPY --chmod=755 <<EOF /entrypoint.sh
#!/bin/sh
exec "\$@"
EOF

ADD <<x.conf /etc/x/
key = "value"
x.conf

ONBUILD RUN <<EOS
echo later
EOS

ENTRYPOINT ["/entrypoint.sh"]
