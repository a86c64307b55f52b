/** One table, one row a model instance, each call one named statement by primary key. */
const TABLE = `CREATE TABLE IF NOT EXISTS oidc (
  model text NOT NULL, id text NOT NULL, payload jsonb NOT NULL, grant_id text, user_code text, uid text, expires_at timestamptz,
  PRIMARY KEY (model, id)
);
CREATE INDEX IF NOT EXISTS oidc_grant ON oidc (grant_id);
CREATE INDEX IF NOT EXISTS oidc_uid ON oidc (uid)`;

/** @param {import("pg").Pool} db */
export async function createAdapter(db) {
  await db.query(TABLE);
  const run = (name, text, values) => db.query({ name, text, values });
  const found = ({ rows: [row] }) => row?.payload;

  return class PostgresAdapter {
    constructor(model) {
      this.model = model;
    }

    async upsert(id, payload, expiresIn) {
      await run(
        "upsert",
        `INSERT INTO oidc (model, id, payload, grant_id, user_code, uid, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
        ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`,
        [this.model, id, payload, payload.grantId, payload.userCode, payload.uid, expiresIn ?? null],
      );
    }

    async find(id) {
      const text =
        "SELECT payload FROM oidc WHERE model = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > now())";
      return found(await run("find", text, [this.model, id]));
    }

    async findByUid(uid) {
      return found(await run("find_uid", "SELECT payload FROM oidc WHERE model = $1 AND uid = $2", [this.model, uid]));
    }

    async findByUserCode(code) {
      const text = "SELECT payload FROM oidc WHERE model = $1 AND user_code = $2";
      return found(await run("find_code", text, [this.model, code]));
    }

    async consume(id) {
      const text = `UPDATE oidc SET payload = payload || jsonb_build_object('consumed', extract(epoch FROM now())::int)
        WHERE model = $1 AND id = $2`;
      await run("consume", text, [this.model, id]);
    }

    async destroy(id) {
      await run("destroy", "DELETE FROM oidc WHERE model = $1 AND id = $2", [this.model, id]);
    }

    async revokeByGrantId(grantId) {
      await run("revoke", "DELETE FROM oidc WHERE grant_id = $1", [grantId]);
    }
  };
}
