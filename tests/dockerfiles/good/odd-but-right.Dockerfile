

   # comments may stand further right
  # escape=`
FROM scratch AS Empty

	FROM busybox As base.1_x-y
RUN echo one && \

    echo two

RUN echo three \
# in between
	# and again
 && echo four
RUN	echo	tabs
RUN echo "a # b" # c
RUN ["echo", "\u0041\t\"quoted\""]
RUN [ -e /etc/passwd ] || exit 1
RUN ['single', 'quotes']
CMD []
ENTRYPOINT    echo    spaced
ENV a=1 b="2 3" c='4 $5' d=6\ 7 e= f=g=h
ENV legacy value with  spaces and "quotes"
ENV path=${path:-/bin}:${other:+x}
LABEL multi="one \
two" three=four
ARG a b=c d="e f"
EXPOSE 80/TCP $PORT ${FROM:-1000}-${TO:-1010}/udp
VOLUME /a /b
WORKDIR relative/path with spaces
USER "us er"
MAINTAINER Somebody <some@body.example>
HEALTHCHECK NONE
STOPSIGNAL ${SIG:-9}
ONBUILD COPY --chown=$U . /src
ONBUILD   run make
COPY --link --parents --exclude=*.tmp --exclude=**/.git ./a/./b *.c /dst/
COPY ["with space", "[a].txt", "/d st/"]
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/a.tgz /
ADD --keep-git-dir=true --unpack https://git.example.com/x.git#v1:sub /git
RUN --network=none --security=sandbox true
RUN echo \\
