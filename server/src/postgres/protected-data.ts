import type { ProtectedStore, StoredProtected } from "../service/user-data-ports.ts";
import { allOrNothing, lockCaller, ownEvent } from "./caller.ts";
import { type Database, type Queryable, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import { type DataRow, putData, toStoredData } from "./user-data.ts";
import { putKey } from "./user-keys.ts";

type FoundRow = { [Column in keyof DataRow]: DataRow[Column] | null } & { wrapped_key: string | null };

const STORED = "data.key_version, data.revision, data.ciphertext, keys.wrapped_key";
const join = (userId: string) => `LEFT JOIN user_data AS data ON data.user_id = ${userId} AND data.class = 'protected'
  LEFT JOIN user_keys AS keys
    ON keys.user_id = data.user_id AND keys.purpose = 'protected' AND keys.version = data.key_version`;

const FIND = statement<FoundRow & { data_public: Record<string, unknown> }>(
  "find_profile",
  `SELECT users.data_public, ${STORED} FROM users ${join("users.id")} WHERE users.id = $1::uuid`,
);

const READ_FOR = statement<FoundRow>(
  "read_protected_data",
  `WITH target AS (
    SELECT id FROM users WHERE id = $1::uuid
  ), ${recordEvent({
    type: "protected_data.read",
    result: "success",
    from: "target",
    now: "$2::timestamptz",
    actor: "$3::uuid",
    subject: "id",
    session: "NULL::uuid",
    ip: "$4::inet",
    userAgent: "$5::text",
    requestId: "$6::text",
    detail: "jsonb_build_object('service', $7::text)",
  })}
  SELECT ${STORED} FROM target ${join("target.id")}`,
);

const REPLACE_PUBLIC = statement<{ id: string }>(
  "replace_public_data",
  "UPDATE users SET data_public = $3::jsonb WHERE id = $1::uuid AND data_public = $2::jsonb RETURNING id",
);

const recordUpdated = ownEvent("profile.updated");

export function createProtectedStore(db: Database): ProtectedStore {
  return {
    async find(userId) {
      const row = await runOne(db, FIND, [userId]);
      return row === undefined ? undefined : { dataPublic: row.data_public, stored: toStored(row) };
    },

    async readFor({ service, client, userId, now }) {
      const values = [userId, now, service.id, ...clientValues(client), service.name];
      const row = await runOne(db, READ_FOR, values);
      return row === undefined ? undefined : { stored: toStored(row) };
    },

    update({ caller, now, dataPublic, dataProtected }) {
      const userId = caller.bearer.user.id;
      const replacePublic = async (transaction: Queryable) => {
        if (dataPublic === undefined) return true;
        const { before, after } = dataPublic;
        return (await runOne(transaction, REPLACE_PUBLIC, [userId, before, after])) !== undefined;
      };
      const replaceProtected = async (transaction: Queryable) => {
        if (dataProtected === undefined) return true;
        const { newKey: wrappedKey, keyVersion: version } = dataProtected;
        const key = { userId, purpose: "protected", version, now } as const;
        if (wrappedKey !== undefined && !(await putKey(transaction, { ...key, wrappedKey }))) return false;
        return putData(transaction, { userId, dataClass: "protected", data: dataProtected, now });
      };
      const classes = [dataPublic && "public", dataProtected && "protected"].filter((name) => name !== undefined);
      return allOrNothing(db, async (transaction) => {
        await lockCaller(transaction, caller, now);
        if (!(await replacePublic(transaction)) || !(await replaceProtected(transaction))) return false;
        await recordUpdated(transaction, { caller, now, detail: { classes } });
        return true;
      });
    },
  };
}

function toStored(row: FoundRow): StoredProtected | undefined {
  const { key_version, revision, ciphertext, wrapped_key: wrappedKey } = row;
  if (key_version === null || revision === null || ciphertext === null) return undefined;
  const key = wrappedKey === null ? undefined : { version: key_version, wrappedKey };
  return { data: toStoredData({ key_version, revision, ciphertext }), key };
}
