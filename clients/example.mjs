/**
 * Serves an example, with a running server behind it: the demo's, or another one's.
 *
 *     python3 run.py demo
 *     node clients/example.mjs react        (or vue)   --server http://127.0.0.1:8012 --port 8020
 *
 * It stands where a project's own build and proxy would: the page and the server are one origin.
 */

import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", default: "http://127.0.0.1:8012" },
    port: { type: "string", default: "8020" },
  },
});
const [name = "react"] = positionals;
const server = new URL(values.server);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The page's one script, of the example, the wrapper and the client as they lie in the checkout. */
async function script() {
  const { build } = createRequire(import.meta.url)("esbuild-wasm");
  const client = here("../realtime/static/realtime");
  const { outputFiles } = await build({
    entryPoints: [here(`${name}/example/app.js`)],
    bundle: true,
    write: false,
    format: "esm",
    define: { "process.env.NODE_ENV": '"production"' },
    alias: {
      "@realtime-ledger/client": `${client}/client.js`,
      "@realtime-ledger/client/follow": `${client}/follow.js`,
      "@realtime-ledger/react": here("react/src/index.js"),
      "@realtime-ledger/vue": here("vue/src/index.js"),
      "@realtime-ledger/vue/pinia": here("vue/src/pinia.js"),
    },
  });
  return outputFiles[0].text;
}

const files = new Map([
  ["/", ["text/html; charset=utf-8", readFileSync(here("example.html"), "utf8").replaceAll("{{ name }}", name)]],
  ["/app.js", ["text/javascript; charset=utf-8", await script()]],
]);

const web = createServer((incoming, answer) => {
  const file = files.get(incoming.url ?? "");
  if (file) return answer.writeHead(200, { "Content-Type": file[0] }).end(file[1]);
  const { method, headers, url: path } = incoming;
  // A connection each: one that is kept may have been closed by the server just now.
  const place = { host: server.hostname, port: server.port, agent: false };
  const passed = request({ ...place, method, path, headers }, (given) => {
    answer.writeHead(given.statusCode ?? 502, given.headers);
    given.pipe(answer);
  });
  passed.on("error", () => answer.headersSent || answer.writeHead(502).end("the server is away"));
  answer.on("close", () => passed.destroy());
  return incoming.pipe(passed);
});

web.on("upgrade", ({ method, url, rawHeaders }, socket, head) => {
  const behind = connect(Number(server.port), server.hostname, () => {
    const lines = rawHeaders.map((part, at) => (at % 2 ? `${part}\r\n` : `${part}: `)).join("");
    behind.write(`${method} ${url} HTTP/1.1\r\n${lines}\r\n`);
    behind.write(head);
    socket.pipe(behind).pipe(socket);
  });
  for (const end of [socket, behind]) end.on("error", () => (socket.destroy(), behind.destroy()));
});

web.listen(Number(values.port), "127.0.0.1", () => {
  console.log(`ready http://127.0.0.1:${/** @type {any} */ (web.address()).port}/ before ${server.href}`);
});
