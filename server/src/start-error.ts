import { AuthError } from "./domain/errors.ts";

/** A start that failed for a reason outside the program: one sentence that names the variable to look at, and no stack. */
export class StartError extends Error {
  override readonly name = "StartError";
}

type SystemError = NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string };

const PROBLEMS: Record<string, (error: SystemError) => string> = {
  EADDRINUSE: ({ address, port }) => `${address} port ${port} is taken by another process`,
  EADDRNOTAVAIL: ({ address }) => `${address} is no address of this machine`,
  ENOTFOUND: ({ hostname }) => `${hostname} is no host that can be found`,
  EAI_AGAIN: ({ hostname }) => `${hostname} is no host that can be found now`,
  ECONNREFUSED: () => "nothing answers there (connection refused)",
  ETIMEDOUT: () => "nothing answers there in time",
  EACCES: ({ path, address, port }) =>
    path === undefined ? `${address} port ${port} may not be used by this user` : `this user may not use ${path}`,
  EPERM: ({ path }) => `this user may not use ${path}`,
  EROFS: ({ path }) => `${path} is on a file system that is read-only`,
  ENOENT: ({ path }) => `there is no ${path}`,
  ENOTDIR: ({ path }) => `${path} is, or is inside, a file where a folder is needed`,
  EEXIST: ({ path }) => `${path} is a file where a folder is needed`,
  EISDIR: ({ path }) => `${path} is a folder where a file is needed`,
  ENOSPC: ({ path }) => `there is no room left for ${path}`,
};

/**
 * For a `catch` around what a variable names: `naming("PORT")`. What the system refused, and what was already said in a
 * sentence, becomes a `StartError` that begins with the variable; a fault of the program stays as it is.
 */
export function naming(variable: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof AuthError && cause.cause !== undefined) naming(variable)(cause.cause);
    if (!(cause instanceof Error) || cause instanceof StartError) throw cause;
    const refusal = findRefusal(cause);
    if (refusal !== undefined) throw new StartError(`${variable}: ${refusal}`, { cause });
    if (isSentence(cause)) throw new StartError(`${variable}: ${cause.message}`, { cause });
    throw cause;
  };
}

/** What the system refused: the failure itself, or what it was caused by. */
function findRefusal(error: SystemError): string | undefined {
  const problem = PROBLEMS[String(error.code)];
  if (problem !== undefined) return problem(error);
  return error.cause instanceof Error ? findRefusal(error.cause) : undefined;
}

/** A refusal of the database or of Vault, or an error that a part of ours threw on purpose: faults have classes of their own. */
function isSentence(error: Error): boolean {
  const told = ["error", "VaultError"].includes(error.name) || error.constructor.name === "DatabaseError";
  return error.constructor === Error || told;
}
