# The service on the embedded default (the README's section "In a container"), or as one node of several: see docker-compose.yml.
FROM node:20.20-bookworm AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src src
COPY commands commands
COPY projections projections
COPY schemas schemas
RUN npm run build && npm prune --omit=dev

FROM node:20.20-bookworm-slim
# Whoever reaches a container's port is not on this machine only: nothing is told to the unsigned.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data READ_ACCESS=guarded
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
RUN mkdir -m 700 /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
# Whether it is to be restarted, not whether all is well: one that can change nothing can still authenticate.
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/api/auth/v1/__lbheartbeat__').then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js", "serve"]
