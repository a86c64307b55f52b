import type { AuditKeys } from "../service/audit-chain-ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";

const FIND = statement<{ wrapped: string }>("audit_key_find", "SELECT wrapped FROM audit_key");

/** A key that appears beside a chain that has begun could only hide that the chain's own is gone. */
const CREATE = statement(
  "audit_key_create",
  `INSERT INTO audit_key (wrapped)
  SELECT $1::text WHERE NOT EXISTS (SELECT FROM audit_seals) AND NOT EXISTS (SELECT FROM audit_anchors)
  ON CONFLICT DO NOTHING`,
);

const REPLACE = statement("audit_key_replace", "UPDATE audit_key SET wrapped = $2::text WHERE wrapped = $1::text");

export function createAuditKeys(db: Database): AuditKeys {
  return {
    async find() {
      return (await runOne(db, FIND, []))?.wrapped;
    },
    async create(wrapped) {
      await run(db, CREATE, [wrapped]);
    },
    async replace(old, wrapped) {
      await run(db, REPLACE, [old, wrapped]);
    },
  };
}
