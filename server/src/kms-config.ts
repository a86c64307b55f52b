import { join } from "node:path";
import type { readEnv } from "./env.ts";

/** Who keeps the master keys. */
export const KMS_PROVIDERS = ["local", "vault"] as const;
export type KmsProviderName = (typeof KMS_PROVIDERS)[number];

export type VaultConfig = {
  address: string;
  transitMount: string;
  transitKey: string;
  namespace: string | undefined;
  caFile: string | undefined;
  tokenFile: string | undefined;
};

export type KmsConfig = {
  /** The one that wraps. */
  provider: KmsProviderName;
  /** Another one that still opens what it wrapped. */
  migrateFrom: KmsProviderName | undefined;
  localKeyFile: string;
  vault: VaultConfig | undefined;
  dataKeyCacheS: number;
};

export type KmsEnvironment = { config: KmsConfig; vaultToken: string | undefined };

type Options = { read: ReturnType<typeof readEnv>; problems: string[]; keysDir: string; production: boolean };

/** The variables that mean something to one provider alone: beside another they would be a promise that nobody keeps. */
const OWN: Record<KmsProviderName, readonly string[]> = {
  local: ["KMS_LOCAL_KEY_FILE"],
  vault: [
    "VAULT_ADDR",
    "VAULT_TOKEN",
    "VAULT_TOKEN_FILE",
    "VAULT_TRANSIT_KEY",
    "VAULT_TRANSIT_MOUNT",
    "VAULT_NAMESPACE",
    "VAULT_CACERT",
  ],
};

/** What the Vault API takes in a path: no traversal, nothing to encode. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** Reads the providers of the KMS: the one that wraps, and one that is being left. */
export function readKms({ read, problems, keysDir, production }: Options): KmsEnvironment {
  const provider = read.oneOf("KMS_PROVIDER", KMS_PROVIDERS, "local");
  const migrateFrom = read.oneOf("KMS_MIGRATE_FROM", ["none", ...KMS_PROVIDERS], "none");
  const given = Object.fromEntries(
    Object.values(OWN).flatMap((names) => names.map((name) => [name, read.text(name, "")])),
  );
  const text = (name: string): string | undefined => given[name] || undefined;
  if (migrateFrom === provider) problems.push(`KMS_MIGRATE_FROM: ${migrateFrom} is KMS_PROVIDER already`);

  const inUse = (name: KmsProviderName) => name === provider || name === migrateFrom;
  for (const name of KMS_PROVIDERS.filter((candidate) => !inUse(candidate))) {
    for (const variable of OWN[name].filter(text)) {
      problems.push(`${variable}: has no effect, since neither KMS_PROVIDER nor KMS_MIGRATE_FROM is ${name}`);
    }
  }
  if (inUse("vault")) checkVault({ text, problems, production });
  return {
    config: {
      provider,
      migrateFrom: migrateFrom === "none" ? undefined : migrateFrom,
      localKeyFile: text("KMS_LOCAL_KEY_FILE") ?? join(keysDir, "kms.key"),
      vault: inUse("vault")
        ? {
            address: text("VAULT_ADDR") ?? "",
            transitMount: text("VAULT_TRANSIT_MOUNT") ?? "transit",
            transitKey: text("VAULT_TRANSIT_KEY") ?? "",
            namespace: text("VAULT_NAMESPACE"),
            caFile: text("VAULT_CACERT"),
            tokenFile: text("VAULT_TOKEN_FILE"),
          }
        : undefined,
      dataKeyCacheS: read.integer("DATA_KEY_CACHE_S", 300, 0, 3_600),
    },
    vaultToken: text("VAULT_TOKEN"),
  };
}

type VaultChecks = Pick<Options, "problems" | "production"> & { text(name: string): string | undefined };

function checkVault({ text, problems, production }: VaultChecks): void {
  for (const name of ["VAULT_ADDR", "VAULT_TRANSIT_KEY"]) {
    if (text(name) === undefined) problems.push(`${name}: must be set where the KMS is vault`);
  }
  const tokens = ["VAULT_TOKEN", "VAULT_TOKEN_FILE"].filter(text);
  if (tokens.length === 0) problems.push("VAULT_TOKEN: must be set, or VAULT_TOKEN_FILE, where the KMS is vault");
  if (tokens.length === 2) problems.push("VAULT_TOKEN: goes without VAULT_TOKEN_FILE: set one of the two");
  checkAddress(text("VAULT_ADDR"), { problems, production });
  if (text("VAULT_CACERT") !== undefined && text("VAULT_ADDR")?.startsWith("http:") === true) {
    problems.push("VAULT_CACERT: has no effect on a VAULT_ADDR that begins with http:");
  }
  if (!/^[\x21-\x7e]*$/.test(text("VAULT_TOKEN") ?? "")) {
    problems.push("VAULT_TOKEN: must be printable ASCII without spaces");
  }
  if (!SEGMENT.test(text("VAULT_TRANSIT_KEY") ?? "key")) {
    problems.push("VAULT_TRANSIT_KEY: must be the name of a Transit key: letters, digits, `_`, `-` and `.`");
  }
  for (const name of ["VAULT_TRANSIT_MOUNT", "VAULT_NAMESPACE"]) {
    const segments = (text(name) ?? "path").split("/");
    if (!segments.every((segment) => SEGMENT.test(segment))) {
      problems.push(`${name}: must be a path such as team/${name === "VAULT_NAMESPACE" ? "sello" : "transit"}`);
    }
  }
}

/** In production a token goes over TLS, or to an agent on this machine. */
function checkAddress(address: string | undefined, { problems, production }: Omit<VaultChecks, "text">): void {
  if (address === undefined) return;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search + url.hash !== "") {
    problems.push("VAULT_ADDR: must be a URL such as https://vault.example.com:8200, without a path");
  } else if (url.username + url.password !== "") {
    problems.push("VAULT_ADDR: must hold no user and no password");
  } else if (production && url.protocol === "http:" && !LOOPBACK.test(url.hostname)) {
    problems.push("VAULT_ADDR: must begin with https: in production, except for an agent on this machine");
  }
}
