import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { ids } from "../crypto/random.ts";
import { certificateSha256, serviceSecrets } from "../crypto/service-secrets.ts";
import { SCOPES } from "../domain/scopes.ts";
import { createServiceAccounts } from "../postgres/service-accounts.ts";
import {
  createServiceAccount as createAccount,
  disableServiceAccount as disableAccount,
  type ServiceAccountDeps,
} from "../service/service-accounts.ts";
import { type Command, type Environment, UsageError, withStores } from "./command.ts";

export const createServiceAccount: Command = {
  usage: "create-service-account NAME --scopes SCOPE,… [--bindings PATH,…] [--client-certificate FILE.pem]",
  help: [
    `Let another back end call, with some of the scopes ${SCOPES.join(", ")}. Prints its secret, once: it is stored`,
    "nowhere. With --bindings, it may open only what was sealed for these paths and those below them: /orders, say.",
    "With --client-certificate, it may call only over TLS connections that are opened with that certificate.",
  ].join("\n      "),
  async run(environment, args) {
    const options = {
      scopes: { type: "string" },
      bindings: { type: "string" },
      "client-certificate": { type: "string" },
    } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const file = values["client-certificate"];
    const input = {
      name: onlyName(positionals),
      scopes: listOf(values.scopes ?? ""),
      ...(values.bindings !== undefined && { bindings: listOf(values.bindings) }),
      ...(file !== undefined && { clientCertificate: await readCertificate(file) }),
    };
    const secret = await withAccounts(environment, (deps) => createAccount(deps, input));
    console.log(secret);
  },
};

export const disableServiceAccount: Command = {
  usage: "disable-service-account NAME",
  help: "Refuse a service account's secret, on every server within a second. Its name stays taken.",
  async run(environment, args) {
    const name = onlyName(parseArgs({ args, allowPositionals: true }).positionals);
    await withAccounts(environment, (deps) => disableAccount(deps, name));
    console.log(`The service account ${name} is disabled.`);
  },
};

export const listServiceAccounts: Command = {
  usage: "list-service-accounts",
  help: "Show the service accounts: name, scopes, paths, whether bound to a certificate, since when, and until when.",
  async run(environment) {
    const accounts = await withAccounts(environment, (deps) => deps.serviceAccounts.list());
    for (const { name, scopes, bindings, clientCertificate, createdAt, disabledAt } of accounts) {
      const paths = bindings?.join(",") ?? "any path";
      const bound =
        clientCertificate === undefined ? "any connection" : `certificate ${clientCertificate.toString("hex")}`;
      const end = disabledAt === undefined ? "" : `  disabled ${disabledAt.toISOString()}`;
      console.log(`${name}  ${scopes.join(",")}  ${paths}  ${bound}  created ${createdAt.toISOString()}${end}`);
    }
  },
};

function withAccounts<T>(environment: Environment, task: (deps: ServiceAccountDeps) => Promise<T>): Promise<T> {
  return withStores(environment, ({ database }) =>
    task({ serviceAccounts: createServiceAccounts(database), serviceSecrets, clock: systemClock, ids }),
  );
}

function listOf(text: string): string[] {
  return text.split(",").filter((item) => item !== "");
}

function onlyName([name, ...more]: string[]): string {
  if (name === undefined || more.length > 0) throw new UsageError("Give the name of one service account.");
  return name;
}

async function readCertificate(file: string): Promise<Buffer> {
  const pem = await readFile(file).catch(() => {
    throw new UsageError(`${file} cannot be read`);
  });
  return certificateSha256(pem);
}
