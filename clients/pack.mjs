/**
 * Makes what a package ships: its modules and, from their JSDoc, their types. `npm pack` runs it in the package's folder.
 *
 * Nothing of it is kept in git. The browser client's modules are those of realtime/static/realtime: there is no copy.
 *
 *     node ../pack.mjs [FOLDER OF THE MODULES]
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const WHAT = ["--allowJs", "--declaration", "--emitDeclarationOnly", "--strict", "--skipLibCheck", "--outDir", "dist"];
const HOW = ["--target", "es2023", "--module", "esnext", "--moduleResolution", "bundler"];
const source = process.argv[2] ?? "src";

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
const modules = readdirSync(source).filter((name) => name.endsWith(".js"));
for (const name of modules) copyFileSync(join(source, name), join("dist", name));
copyFileSync(fileURLToPath(new URL("../LICENSE", import.meta.url)), "LICENSE");

const paths = modules.map((name) => join(source, name));
// What npm prints is the name of the tarball alone.
const typed = spawnSync(process.execPath, [TSC, ...paths, ...WHAT, ...HOW], { encoding: "utf8" });
process.stderr.write(typed.stdout + typed.stderr);
process.exitCode = typed.status;
