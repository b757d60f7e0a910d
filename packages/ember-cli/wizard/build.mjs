// Bundle the wizard into the one file that the Python wheel carries, and list whose code is in it.
//
//   node build.mjs            write it
//   node build.mjs --check    fail if what is written is not what would be

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = "../src/ember/cli/_wizard/";
const nothing = { name: "nothing", setup: (made) => made.onResolve({ filter: /^(react-devtools-core|ws)$/ }, () => ({ path: here("src/nothing.ts") })) };

const { outputFiles, metafile } = await build({
  absWorkingDir: here("."),
  entryPoints: ["src/main.tsx"],
  bundle: true,
  write: false,
  metafile: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  legalComments: "none",
  outfile: "setup.mjs",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [nothing],
  // Ink's dependencies that are CommonJS ask for node's modules by `require`.
  banner: { js: 'import{createRequire as __require}from"node:module";const require=__require(import.meta.url);' },
});

const names = new Set();
for (const input of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
  if (found) names.add(found[1]);
}
const notice = (name) => {
  const at = (file) => here(`node_modules/${name}/${file}`);
  const { version, license, repository } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const file = ["LICENSE", "license", "LICENSE.md", "LICENCE", "license.md", "LICENSE.txt", "LICENSE-MIT.txt"].find((file) => existsSync(at(file)));
  return `${name} ${version} (${license})\n\n${file ? readFileSync(at(file), "utf8").trim() : `Its package has no text of the licence; see ${repository?.url ?? name}.`}\n`;
};
const made = {
  "setup.mjs": Buffer.from(outputFiles[0].contents),
  "THIRD_PARTY_NOTICES": Buffer.from(`The setup wizard (setup.mjs) contains these packages.\n\n${[...names].sort().map(notice).join(`\n${"-".repeat(80)}\n\n`)}`),
};

let stale = false;
for (const [name, bytes] of Object.entries(made)) {
  const path = here(folder + name);
  if (!process.argv.includes("--check")) {
    writeFileSync(path, bytes);
    console.log(`${name}: ${bytes.length} bytes`);
  } else if (!existsSync(path) || !readFileSync(path).equals(bytes)) {
    stale = true;
    console.error(`${name} is not what its sources make. Run: make wizard T=build`);
  }
}
process.exit(stale ? 1 : 0);
