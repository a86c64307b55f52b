import { readFile } from "node:fs/promises";
import type { Config } from "./config.ts";
import { naming } from "./start-error.ts";

/** What the port needs to speak TLS, and whether it asks clients for certificates. */
export async function readTls(
  files: NonNullable<Config["tls"]>,
  clientCertificates: Config["tlsClientCertificates"],
): Promise<{ cert: Buffer; key: Buffer; requestCert: boolean }> {
  const cert = await readFile(files.certFile).catch(naming("TLS_CERT_FILE"));
  const key = await readFile(files.keyFile).catch(naming("TLS_KEY_FILE"));
  return { cert, key, requestCert: clientCertificates === "request" };
}
