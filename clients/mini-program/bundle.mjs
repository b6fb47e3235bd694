/**
 * Makes one CommonJS file of the package and the client: mini-programs know neither modules nor `import()`, and have
 * none of a browser's globals. What the client uses of those is taken from globals.js.
 */

import { readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { buildSync } = createRequire(import.meta.url)("esbuild-wasm");

for (const name of readdirSync("dist")) {
  if (name.endsWith(".js") || (name.endsWith(".d.ts") && name !== "index.d.ts")) rmSync(join("dist", name));
}
buildSync({
  entryPoints: ["src/index.js"],
  outfile: "dist/index.js",
  bundle: true,
  minify: true,
  format: "cjs",
  target: "es2018",
  inject: ["src/globals.js"],
  logLevel: "warning",
});
