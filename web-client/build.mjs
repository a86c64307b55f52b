// Builds dist/auth.js, the client as one classic script, dist/user-data.min.js, an ES module beside it, and dist/data-json.min.js for the playground. `node web-client/build.mjs --size` also prints its size.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { withLiteralDescriptor } from "./build/descriptors.mjs";
import { isLeftOut, withoutBodies, withPureEnums } from "./build/leave-out.mjs";

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const lean = {
  name: "lean",
  /** @param {import("esbuild").PluginBuild} plugin */
  setup(plugin) {
    plugin.onResolve({ filter: /^#file-of$/ }, () => ({ path: here("build/file-of.js") }));
    plugin.onLoad({ filter: /(_pb|@(bufbuild|connectrpc)[\\/].*)\.js$/ }, async ({ path }) => {
      const code = await readFile(path, "utf8");
      if (isLeftOut(path)) return { contents: withoutBodies(code) };
      if (path.endsWith("_pb.js") && code.includes("fileDesc(")) return { contents: withLiteralDescriptor(code) };
      return { contents: withPureEnums(code) };
    });
  },
};

/** The script, minified. */
export function buildScript() {
  return bundle("src/auth-script.ts", "iife");
}

/** The module with the data of users, minified, for the client that the script makes. */
export function buildUserData() {
  return bundle("src/user-data.ts", "esm");
}

/** The module with the data of users as JSON, minified, for the playground. */
export function buildDataJson() {
  return bundle("src/data-json.ts", "esm");
}

/** @param {string} entry @param {"iife" | "esm"} format */
async function bundle(entry, format) {
  const { outputFiles } = await build({
    entryPoints: [here(entry)],
    bundle: true,
    write: false,
    minify: true,
    format,
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    alias: { "@sello/envelope": here("../envelope/src/index.ts") },
    absWorkingDir: here(".."),
    plugins: [lean],
  });
  const [script] = outputFiles;
  if (script === undefined) throw new Error("esbuild made no script");
  return script.contents;
}

/** The size in which a server sends it. @param {Uint8Array} contents */
export function brotliBytes(contents) {
  return brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(here("dist"), { recursive: true });
  const made = {
    "auth.js": await buildScript(),
    "user-data.min.js": await buildUserData(),
    "data-json.min.js": await buildDataJson(),
  };
  for (const [name, contents] of Object.entries(made)) {
    await writeFile(here(`dist/${name}`), contents);
    if (process.argv.includes("--size")) {
      process.stdout.write(`web-client/dist/${name}: ${contents.length} bytes, ${brotliBytes(contents)} with brotli\n`);
    }
  }
}
