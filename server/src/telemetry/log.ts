import { destination, type Level, pino } from "pino";

/**
 * What a log line may hold. The list is closed: a token, a password or an opened payload has no field to be written to, and
 * nothing is ever logged by handing over an object.
 */
export type LogFields = {
  request_id?: string;
  procedure?: string;
  protocol?: string;
  code?: string;
  status?: number;
  duration_ms?: number;
  ip?: string;
  user_id?: string;
  service?: string;
  session_id?: string;
  kid?: string;
  count?: number;
  url?: string;
  detail?: string;
  error?: unknown;
};

export type Log = Record<"debug" | "info" | "warn" | "error", (message: string, fields?: LogFields) => void>;

/** JSON lines on standard output, written before the call returns: the last line before a crash is there. */
export function createLog(level: Level | "silent", write?: (line: string) => void): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } };
  const logger = write === undefined ? pino(options, destination({ sync: true })) : pino(options, { write });
  const at =
    (name: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: LogFields = {}) => {
      if (logger.isLevelEnabled(name)) logger[name](plain(fields), message);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function levelName(level: string): { level: string } {
  return { level };
}

function plain({ error, ...fields }: LogFields): Record<string, unknown> {
  return error === undefined ? fields : { ...fields, error: describe(error) };
}

/** An error by its class, message, code and place, and its causes. Other members, such as a query's values, stay out. */
function describe(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error };
  const code = (error as NodeJS.ErrnoException).code;
  const described: Record<string, unknown> = { name: error.name, message: error.message, stack: error.stack };
  if (typeof code === "string") described["code"] = code;
  if (error.cause !== undefined && depth < 3) described["cause"] = describe(error.cause, depth + 1);
  return described;
}
