FROM debian
ARG IMAGE=nginx
COPY --from=${IMAGE} /etc/nginx /etc/nginx
