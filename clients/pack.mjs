/**
 * Makes what a package ships: its modules and, from their JSDoc, their types. `npm pack` runs it in the package's folder.
 *
 * Nothing of it is kept in git. The browser client's modules are those of realtime/static/realtime: there is no copy.
 *
 *     node ../pack.mjs [FOLDER OF THE MODULES]
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const WHAT = ["--allowJs", "--declaration", "--emitDeclarationOnly", "--strict", "--skipLibCheck", "--outDir", "dist"];
const HOW = ["--target", "es2023", "--module", "esnext", "--moduleResolution", "bundler"];
const BROWSER = join(HERE, "..", "realtime", "static", "realtime");

if (basename(process.cwd()) !== "js") offerClient();
pack(process.argv[2] ?? "src");

/** @param {string} source */
function pack(source) {
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("dist");
  const modules = readdirSync(source).filter((name) => name.endsWith(".js"));
  for (const name of modules) copyFileSync(join(source, name), join("dist", name));
  copyFileSync(join(HERE, "..", "LICENSE"), "LICENSE");
  const paths = modules.map((name) => join(source, name));
  // What npm prints is the name of the tarball alone.
  const typed = spawnSync(process.execPath, [TSC, ...paths, ...WHAT, ...HOW], { encoding: "utf8" });
  process.stderr.write(typed.stdout + typed.stderr);
  process.exitCode = typed.status;
}

/** The other packages build on the browser client's, made anew where its modules are. */
function offerClient() {
  const js = join(HERE, "js");
  if (!isCurrent(join(js, "dist", "client.d.ts"))) {
    const made = spawnSync(process.execPath, [join(HERE, "pack.mjs"), BROWSER], { cwd: js, encoding: "utf8" });
    if (made.status) process.stderr.write(made.stdout + made.stderr);
  }
  const scope = resolve(HERE, "node_modules", "@realtime-ledger");
  mkdirSync(scope, { recursive: true });
  if (!existsSync(join(scope, "client"))) symlinkSync(js, join(scope, "client"));
}

/** @param {string} made */
function isCurrent(made) {
  const newest = Math.max(...readdirSync(BROWSER).map((name) => statSync(join(BROWSER, name)).mtimeMs));
  return existsSync(made) && statSync(made).mtimeMs > newest;
}
