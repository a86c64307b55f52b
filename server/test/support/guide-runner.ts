import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bareEnvironment } from "./server-processes.ts";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const INSTALLED = join(ROOT, "examples/node_modules");
export const frameworks = existsSync(INSTALLED) ? (["installed", "minimal"] as const) : (["minimal"] as const);
export type Frameworks = (typeof frameworks)[number];

/** A fenced block of a guide. `file` stands behind the language: the file that a reader makes of it. */
type Block = { language: string; file: string; text: string };

/** A guide, which remembers which of its blocks were run. */
export type Guide = {
  text: string;
  files: readonly string[];
  /** The blocks of a file, one after the other. */
  file(name: string): string;
  /** Takes note that the files which a command names are run, and those that they import. */
  runs(command: string): void;
  /** The one block of commands that begins, or has a line that begins, like this. */
  shell(start: string): string;
  /** All blocks of that language. */
  all(language: string): string[];
  /** The language and the first line of those that nobody asked for. */
  unused(): string[];
};

export async function readGuide(name: string): Promise<Guide> {
  const text = await readFile(join(ROOT, "docs", name), "utf8");
  const blocks: Block[] = [...text.matchAll(/^```(\S*) *(\S*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", file = "", content = ""]) => ({ language, file, text: content }),
  );
  const used = new Set<Block>();
  const find = (what: string, wanted: (block: Block) => boolean) => {
    const found = blocks.filter(wanted);
    if (found.length === 0) throw new Error(`docs/${name} has no ${what}`);
    return found;
  };
  const use = (what: string, wanted: (block: Block) => boolean) =>
    find(what, wanted).map((block) => used.add(block) && block.text);
  const files = [...new Set(blocks.flatMap(({ file }) => file || []))];
  const runs = (command: string) => {
    const named = blocks.filter((block) => block.file && !used.has(block) && command.includes(block.file));
    for (const block of named) used.add(block);
    for (const block of named) for (const [, path = ""] of block.text.matchAll(/from "\.\/([^"]+)"/g)) runs(path);
  };
  return {
    text,
    files,
    file: (wanted) =>
      find(wanted, ({ file }) => file === wanted)
        .map((block) => block.text)
        .join("\n"),
    runs,
    shell: (start) =>
      use(start, (block) => block.language === "sh" && `\n${block.text}`.includes(`\n${start}`)).join("\n"),
    all: (language) => use(language, (block) => block.language === language),
    unused: () =>
      blocks.filter((block) => !used.has(block)).map((block) => `${block.language}: ${block.text.split("\n", 1)}`),
  };
}

export type Program = AsyncDisposable & { url: string };

/** A folder of a reader's own, with the packages that a guide installs. Every text has its addresses replaced. */
export type Workshop = AsyncDisposable & {
  folder: string;
  write(file: string, text: string): Promise<void>;
  /** What the commands print, on both streams. Rejects when they fail. */
  shell(commands: string, env?: Record<string, string>): Promise<string>;
  node(args: string[], env?: Record<string, string>): Promise<string>;
  /** Starts a program that listens, and waits until it does. */
  start(file: string, env?: Record<string, string>): Promise<Program>;
};

export async function createWorkshop(options: {
  frameworks: Frameworks;
  env: Record<string, string>;
  /** From an address in the guides to that of this run, without scheme. */
  addresses: Map<string, string>;
  /** Told of each command before it runs. */
  onRun(command: string): void;
}): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), "sello-guide-"));
  const programs = new Set<Program>();
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), replaceAddresses(text, options.addresses));
  };
  await mkdir(join(folder, "node_modules"));
  for (const name of ["@sello", "@connectrpc", "@bufbuild", ".bin"]) {
    await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  await write("package.json", '{"type":"module"}');
  await write("tell-port.mjs", TELL_PORT);
  for (const [name, text] of Object.entries(MINIMAL)) {
    const target = join(folder, "node_modules", name);
    await mkdir(dirname(target), { recursive: true });
    if (options.frameworks === "installed") await symlink(join(INSTALLED, name), target);
    else {
      await write(`node_modules/${name}/package.json`, '{"type":"module","exports":"./index.js"}');
      await write(`node_modules/${name}/index.js`, text);
    }
  }
  const environment = (env = {}) => bareEnvironment({ HOME: folder, ...options.env, ...env });
  const run = async (file: string, args: string[], env?: Record<string, string>) => {
    options.onRun(args.join(" "));
    const { stdout, stderr } = await promisify(execFile)(file, args, { cwd: folder, env: environment(env) });
    return (stdout + stderr).trim();
  };

  return {
    folder,
    write,
    node: (args, env) => run(process.execPath, args, env),
    shell: (commands, env) => run("sh", ["-ec", replaceAddresses(commands, options.addresses)], env),
    async start(file, env) {
      options.onRun(file);
      const child = spawn(process.execPath, ["--import", "./tell-port.mjs", file], {
        cwd: folder,
        env: environment(env),
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
      let said = "";
      child.stderr?.on("data", (chunk) => {
        said += chunk;
      });
      const port = await new Promise<number>((resolve, reject) => {
        child.once("message", (message) => resolve(message as number));
        child.once("exit", () => reject(new Error(`${file} ended: ${said}`)));
      });
      const program: Program = {
        url: `http://localhost:${port}`,
        async [Symbol.asyncDispose]() {
          programs.delete(program);
          if (child.exitCode === null && child.signalCode === null) {
            child.kill();
            await once(child, "exit");
          }
        },
      };
      programs.add(program);
      return program;
    },
    async [Symbol.asyncDispose]() {
      for (const program of programs) await program[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Sello's folder beside the reader's own, and its command line without building everything anew. */
function replaceAddresses(text: string, addresses: Map<string, string>): string {
  const replaced = [...addresses].reduce((result, [from, to]) => result.replaceAll(from, to), text);
  return replaced
    .replaceAll("../sello", ROOT)
    .replaceAll("npm run -s cli --", `"${process.execPath}" "${join(ROOT, "server/dist/cli.js")}"`)
    .replaceAll(/\b(listen\(|port: )40\d\d\b/g, "$10");
}

/** Tells the parent the port of a program's server. */
const TELL_PORT = `import { Server } from "node:net";
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  this.once("listening", () => process.send?.(this.address().port));
  return listen.apply(this, args);
};
`;

/** As much of the frameworks as the guides use, where they are not installed (npm ci in examples/). */
const MINIMAL: Record<string, string> = {
  cors: `export default ({ origin, exposedHeaders = [] }) => (request, response, next) => {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", exposedHeaders.join(","));
  if (request.method !== "OPTIONS") return next();
  response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
  response.writeHead(204).end();
};
`,
  express: `import { createServer } from "node:http";
export default function express() {
  const layers = [];
  const route = (method) => (path, ...handlers) => {
    const matches = (request) => request.method === method && request.url.split("?")[0] === path;
    layers.push(...handlers.map((handler) => ({ matches, handler })));
  };
  const app = (request, response) => {
    request.originalUrl = request.url;
    response.status = (code) => Object.assign(response, { statusCode: code });
    response.json = (body) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(body));
    };
    const next = (from) => (error) => {
      const at = layers.findIndex(({ matches }, index) => index >= from && matches(request));
      if (error || at < 0) response.writeHead(error ? 500 : 404).end();
      else layers[at].handler(request, response, next(at + 1));
    };
    next(0)();
  };
  return Object.assign(app, {
    use: (handler) => layers.push({ matches: () => true, handler }),
    get: route("GET"),
    post: route("POST"),
    listen: (...args) => createServer(app).listen(...args),
  });
}
`,
  "@fastify/cors": `export default async (app, options) => app.addHook("onRequest", options);
`,
  fastify: `import { createServer } from "node:http";
import { json } from "node:stream/consumers";
export default function fastify() {
  const routes = new Map();
  const answer = (response, body) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(body));
  };
  const server = createServer(async (raw, response) => {
    const route = routes.get(raw.url.split("?")[0]);
    const request = { headers: raw.headers, originalUrl: raw.url, body: await json(raw) };
    const reply = {
      raw: response,
      code: (status) => Object.assign(reply, void (response.statusCode = status)),
      headers: (headers) => Object.assign(reply, void response.setHeaders(new Map(Object.entries(headers)))),
      send: (body) => answer(response, body),
    };
    await route.preValidation(request, reply);
    if (!response.writableEnded) answer(response, await route.handler(request, reply));
  });
  const app = {
    addHook() {},
    register: (plugin, options) => plugin(app, options),
    post: (path, { preValidation }, handler) => routes.set(path, { preValidation, handler }),
    listen: (options) => new Promise((resolve) => server.listen(options, resolve)),
  };
  return app;
}
`,
};
