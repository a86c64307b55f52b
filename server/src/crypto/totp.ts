import { randomBytes } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import type { Totp } from "../service/mfa-ports.ts";

/** RFC 4226 section 4, R6: 160 bits are recommended. */
const SECRET_BYTES = 20;
const PERIOD_S = 30;
/** What every authenticator app reads. Many ignore other values, and would show wrong codes. */
const PARAMETERS = { algorithm: "SHA1", digits: 6, period: PERIOD_S } as const;

const FORM = /^\d{6}$/;

/** `window` is how many steps a client's clock may be off, in each direction (RFC 6238 section 5.2). */
export function createTotp({ window }: { window: number }): Totp {
  return {
    newSecret: () => randomBytes(SECRET_BYTES),

    describe(secret, { issuer, account }) {
      const totp = new TOTP({ ...PARAMETERS, issuer, label: account, secret: toSecret(secret) });
      return { secret: totp.secret.base32, uri: totp.toString() };
    },

    // The package throws at other characters of the same number.
    stepOf(secret, code, now) {
      if (!FORM.test(code)) return undefined;
      const timestamp = now.getTime();
      const away = TOTP.validate({ ...PARAMETERS, secret: toSecret(secret), token: code, timestamp, window });
      return away === null ? undefined : TOTP.counter({ period: PERIOD_S, timestamp }) + away;
    },
  };
}

function toSecret(bytes: Uint8Array): Secret {
  return new Secret({ buffer: Uint8Array.from(bytes).buffer });
}
