# An image of the command line for --on kubernetes: docker build -t IMAGE . in a clone of the repository.
# Packages come from package-lock.json, with the runtimes of eval. Training needs tfjs-node: see docs/install.md.
FROM node:22-bookworm-slim
WORKDIR /opt/wrn-onnx
COPY . .
RUN npm ci && npm run build && ln -s /opt/wrn-onnx/dist/node/cli.js /usr/local/bin/wrn-onnx && chmod +x dist/node/cli.js
ENTRYPOINT ["wrn-onnx"]
