import { readPassword } from "./cluster.ts";
import { isOurs } from "./left-behind.ts";
import { urlOf } from "./login.ts";
import { readPidFile } from "./postmaster.ts";

/**
 * The URL of the embedded server of a folder while another process of ours runs it; undefined when none does. For a tool that
 * works beside the server: it neither starts nor stops anything.
 */
export async function findRunningPostgres(dataDir: string, database = "sello"): Promise<string | undefined> {
  const [file, password] = await Promise.all([readPidFile(dataDir), readPassword(`${dataDir}-password`)]);
  if (file === undefined || password === undefined) return undefined;
  const login = { port: file.port, password };
  return (await isOurs(login, file.head)) ? urlOf(login, database) : undefined;
}
