import type { ServiceAccounts } from "../service/backend-ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { recordEvent } from "./events.ts";

type Row = {
  id: string;
  name: string;
  scopes: string[];
  bindings: string[] | null;
  client_certificate_sha256: Buffer | null;
  created_at: Date;
  disabled_at: Date | null;
};

/** The operator at the command line is nobody the server knows. */
const BY_OPERATOR = {
  result: "success",
  actor: "NULL::uuid",
  subject: "id",
  session: "NULL::uuid",
  ip: "NULL::inet",
  userAgent: "'cli'",
  requestId: "''",
  detail: "jsonb_strip_nulls(jsonb_build_object('by', 'cli', 'name', name, 'scopes', scopes, 'bindings', bindings))",
} as const;

const CREATE = statement(
  "create_service_account",
  `WITH created AS (
    INSERT INTO service_accounts (id, name, secret_hash, scopes, bindings, client_certificate_sha256, created_at)
    VALUES ($1, $2, $3, $4, $7::text[], $5, $6)
    RETURNING id, name, scopes, bindings
  ), ${recordEvent({ ...BY_OPERATOR, type: "service_account.created", from: "created", now: "$6" })}
  SELECT 1`,
);

const DISABLE = statement<{ id: string }>(
  "disable_service_account",
  `WITH disabled AS (
    UPDATE service_accounts SET disabled_at = $2 WHERE name = $1 AND disabled_at IS NULL
    RETURNING id, name, scopes, bindings
  ), ${recordEvent({ ...BY_OPERATOR, type: "service_account.disabled", from: "disabled", now: "$2" })}
  SELECT id FROM disabled`,
);

const FIND = statement<Row>(
  "find_service_account",
  `SELECT id, name, scopes, bindings, client_certificate_sha256 FROM service_accounts
  WHERE secret_hash = $1 AND disabled_at IS NULL`,
);

const LIST = statement<Row>(
  "list_service_accounts",
  `SELECT id, name, scopes, bindings, client_certificate_sha256, created_at, disabled_at FROM service_accounts ORDER BY name`,
);

export function createServiceAccounts(db: Database): ServiceAccounts {
  return {
    async create({ id, name, secretHash, scopes, bindings, clientCertificate, now }) {
      await run(db, CREATE, [id, name, secretHash, scopes, clientCertificate ?? null, now, bindings ?? null]);
    },

    async disable(name, now) {
      return (await runOne(db, DISABLE, [name, now])) !== undefined;
    },

    async find(secretHash) {
      const row = await runOne(db, FIND, [secretHash]);
      return row === undefined ? undefined : toAccount(row);
    },

    async list() {
      const rows = await run(db, LIST, []);
      return rows.map((row) => ({
        ...toAccount(row),
        createdAt: row.created_at,
        disabledAt: row.disabled_at ?? undefined,
      }));
    },
  };
}

function toAccount({ id, name, scopes, bindings, client_certificate_sha256: certificate }: Row) {
  return { id, name, scopes, bindings: bindings ?? undefined, clientCertificate: certificate ?? undefined };
}
