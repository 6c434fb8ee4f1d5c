FROM debian
RUN apt-get update
COYP . /app
