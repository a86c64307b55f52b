import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import type { SealingRule, SealingRules } from "./domain/sealing.ts";
import type { RateLimitSize } from "./service/rate-limits.ts";

export type Env = Record<string, string | undefined>;

function inRange(text: string, min: number, max: number): boolean {
  return /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max;
}

export function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

/**
 * Readers of variables, one for each kind of value. What cannot be parsed is added to `problems`, as `NAME: what it must be`,
 * and read as its fallback, so that one look finds every problem.
 */
export function readEnv(env: Env, problems: string[]) {
  const value = (name: string) => (isSet(env[name]) ? env[name] : undefined);
  const fail = <T>(name: string, problem: string, fallback: T): T => {
    problems.push(`${name}: ${problem}`);
    return fallback;
  };

  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const text = value(name);
    if (text === undefined) return fallback;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return number >= min && number <= max
      ? number
      : fail(name, `must be a whole number from ${min} to ${max}`, fallback);
  };

  const list = (name: string): string[] =>
    (value(name) ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");

  return {
    integer,
    list,
    text: (name: string, fallback: string): string => value(name) ?? fallback,
    optionalInteger: (name: string, min: number, max: number): number | undefined =>
      value(name) === undefined ? undefined : integer(name, min, min, max),

    boolean(name: string, fallback: boolean): boolean {
      const text = value(name);
      if (text === undefined) return fallback;
      return text === "true" || text === "false" ? text === "true" : fail(name, "must be true or false", fallback);
    },

    oneOf<const T extends string>(name: string, allowed: readonly T[], fallback: NoInfer<T>): T {
      const text = value(name);
      if (text === undefined) return fallback;
      return allowed.find((option) => option === text) ?? fail(name, `must be one of ${allowed.join(", ")}`, fallback);
    },

    workers(name: string): number {
      return value(name) === "auto" ? availableParallelism() : integer(name, 1, 1, 256);
    },

    path(name: string): string {
      const text = value(name) ?? "";
      const valid = text === "" || /^(\/[A-Za-z0-9._~-]+)+$/.test(text);
      return valid ? text : fail(name, "must be empty or a path such as /api, without a slash at its end", "");
    },

    pair(certName: string, keyName: string): { certFile: string; keyFile: string } | undefined {
      const [certFile, keyFile] = [value(certName), value(keyName)];
      if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
      if (certFile !== undefined || keyFile !== undefined)
        fail(certName, `goes with ${keyName}: set both or neither`, 0);
      return undefined;
    },

    origins(name: string): string[] {
      return list(name).filter((origin) => {
        const valid = URL.canParse(origin) && new URL(origin).origin === origin;
        return valid || fail(name, `${origin} is not an origin such as https://app.example.com`, false);
      });
    },

    networks(name: string): string[] {
      return list(name).filter((network) => {
        const [address = "", prefix, ...rest] = network.split("/");
        const bits = isIP(address) === 6 ? 128 : 32;
        const valid = isIP(address) > 0 && rest.length === 0 && (prefix === undefined || inRange(prefix, 0, bits));
        return valid || fail(name, `${network} is neither an address nor a CIDR block`, false);
      });
    },

    /** A name that people see. A colon would end it in the URI that authenticator apps read. */
    label(name: string, fallback: string): string {
      const text = value(name);
      if (text === undefined) return fallback;
      return /^[^:\p{Cc}]{1,64}$/u.test(text)
        ? text
        : fail(name, "must have 1 to 64 characters and no colon", fallback);
    },

    url(name: string, fallback: string): string {
      const text = value(name) ?? fallback;
      return URL.canParse(text) ? text : fail(name, "must be a URL", fallback);
    },

    storeUrl(name: string, protocol: RegExp): string | undefined {
      const text = value(name);
      if (text === undefined) return undefined;
      const valid = URL.canParse(text) && protocol.test(new URL(text).protocol);
      return valid ? text : fail(name, "is not the URL of such a store", undefined);
    },

    secret(name: string, minLength: number): string | undefined {
      const text = value(name);
      if (text === undefined || text.length >= minLength) return text;
      return fail(name, `must have at least ${minLength} characters`, undefined);
    },

    rate(name: string, fallback: string): RateLimitSize | undefined {
      const text = value(name) ?? fallback;
      if (text === "off") return undefined;
      const [, points, duration] = /^([1-9]\d{0,8})\/([1-9]\d{0,6})$/.exec(text) ?? [];
      if (points === undefined || duration === undefined) {
        return fail(name, "must be off, or so many calls in so many seconds, such as 60/60", undefined);
      }
      return { points: Number(points), duration: Number(duration) };
    },

    sealing(name: string): SealingRules {
      const [rule = "plain-allowed", ...exceptions] = list(name);
      const sealing: SealingRules = { rule: "plain-allowed", exceptions: new Map() };
      const isRule = (text: string | undefined): text is SealingRule =>
        text === "plain-allowed" || text === "sealed-required";
      if (isRule(rule)) sealing.rule = rule;
      else fail(name, "must begin with plain-allowed or sealed-required", 0);
      for (const exception of exceptions) {
        const [procedure = "", own] = exception.split("=");
        if (/^[a-z0-9.]+\.[A-Z]\w+\/[A-Z]\w+$/.test(procedure) && isRule(own)) sealing.exceptions.set(procedure, own);
        else fail(name, `${exception} is not an exception such as auth.v1.AuthService/GetMe=plain-allowed`, 0);
      }
      return sealing;
    },
  };
}
