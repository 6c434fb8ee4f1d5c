FROM debian
RUN <<EOF
make
 EOF
