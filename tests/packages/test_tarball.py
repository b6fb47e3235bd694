"""The npm package of the browser client, from its packed tarball: its files, its types, its size, and that it works."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import pytest

from accounts.models import Family, User
from config.env import BASE_DIR
from ledger.models import Account
from tests.clients import access_token
from tests.live import LiveServer
from tests.packages.conftest import call, node_with_websocket

SOURCES = BASE_DIR / "realtime" / "static" / "realtime"
CORE_LIMIT = 6 * 1024  # bytes, gzipped

CONNECT = """
import { RealtimeClient } from "@realtime-ledger/client";

const [url, token] = process.argv.slice(2);
for (const transport of ["websocket", "sse", "polling"]) {
  const client = new RealtimeClient({ url, transports: [transport], getToken: () => token, logLevel: "silent" });
  const live = new Promise((resolve) => client.watch(({ state }) => state === "live" && resolve()));
  client.start();
  await live;
  const { result } = await client.request("accounts");
  console.log(JSON.stringify([transport, client.transport, result.map(({ name }) => name)]));
  client.stop();
}
"""

PAGE = """
import { RealtimeClient, RealtimeError } from "@realtime-ledger/client";
import { newest } from "@realtime-ledger/client/newest";

const client = new RealtimeClient({ url: "/ws", transports: ["sse"], getToken: async () => "", autoAck: true });
const off: () => void = client.on("A", newest("id", async ({ data }) => data));
client.watch(({ state, retryInMs }) => { const one: "connecting" | "live" | "waiting" | "stopped" = state; });
client.subscribe("family:f", { after: 3 }).catch((error: RealtimeError) => error.code.length + off.length);
// @ts-expect-error
new RealtimeClient({ url: 7 });
// @ts-expect-error
client.subscribe("family:f", { after: "3" });
"""

SIZE = """
import { build } from "esbuild-wasm";

const [entry, ...external] = process.argv.slice(2);
const { outputFiles } = await build({
  entryPoints: [entry], bundle: true, minify: true, format: "esm", write: false, external,
});
process.stdout.write(outputFiles[0].text);
"""
LATE = ["./sse.js", "./polling.js", "./tabs.js"]


def test_the_tarball_holds_the_modules_as_the_server_serves_them_and_their_types(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        files = {member.name.removeprefix("package/"): archive.extractfile(member) for member in archive}
        packed = {name: file.read() for name, file in files.items() if file is not None}

    modules = {f"dist/{path.name}": path.read_bytes() for path in SOURCES.glob("*.js")}
    types = {name.replace(".js", ".d.ts") for name in modules}
    assert {name: packed[name] for name in modules} == modules
    assert set(packed) == {*modules, *types, "LICENSE", "README.md", "package.json"}


@pytest.mark.django_db(transaction=True)
def test_from_an_empty_folder_it_connects_over_every_transport(
    alice: User, family: Family, running_server: LiveServer, installed: Path
) -> None:
    Account.objects.create(family=family, owner=alice, name="Everyday", type="checking", currency="EUR")
    (installed / "connect.mjs").write_text(CONNECT)

    done = call(
        *node_with_websocket(), "connect.mjs", f"{running_server.ws_url}/ws", access_token(alice), cwd=installed
    )

    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [name, name, ["Everyday"]] for name in ("websocket", "sse", "polling")
    ]


def test_its_types_admit_what_is_right_and_refuse_what_is_not(installed: Path, node_packages: Path) -> None:
    (installed / "page.ts").write_text(PAGE)
    compiler = str(node_packages / "typescript" / "bin" / "tsc")

    done = call(
        "node", compiler, "--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "page.ts", cwd=installed
    )

    assert done.returncode == 0, done.stdout


def test_what_a_page_on_a_websocket_needs_stays_under_six_kilobytes(
    installed: Path, node_packages: Path, tmp_path: Path
) -> None:
    """Bundled and minified by esbuild, as who cares for bytes does; what is fetched later is counted apart."""
    (node_packages.parent / "size.mjs").write_text(SIZE)
    entry = installed / "node_modules" / "@realtime-ledger" / "client" / "dist" / "client.js"

    done = call("node", "size.mjs", str(entry), *LATE, cwd=node_packages.parent)

    assert done.returncode == 0, done.stderr
    assert 'import("./sse.js")' in done.stdout
    assert 4000 < len(gzip.compress(done.stdout.encode(), 9)) < CORE_LIMIT
