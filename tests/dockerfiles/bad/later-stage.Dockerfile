FROM debian AS one
COPY --from=two /a /a

FROM debian AS two
COPY --from=one /b /b
