FROM node:20-alpine as deps
WORKDIR /app
COPY package.json package-lock.json* ./
RUN npm ci --omit=dev

from deps as dev
run npm ci
copy . .
cmd npm run dev -- --host

FROM node:20-alpine
LABEL org.opencontainers.image.title="The shop" \
      org.opencontainers.image.licenses='Apache-2.0' \
      "com.example.team"=front\ end
ENV NODE_ENV production
WORKDIR /app
COPY --chown=node:node --from=deps /app/node_modules node_modules
COPY --chown=node:node . .
USER node
EXPOSE 3000
VOLUME ["/app/uploads", "/app/cache dir"]
CMD [ "node", "server.js" ]
