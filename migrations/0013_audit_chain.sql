-- The audit trail can be added to and not changed, and shows when somebody changed it all the same. Three layers: triggers refuse
-- it to everybody who does not mean to; a role for the server has no right to it; and a chain of seals, under a key that is not in
-- the database, says what the owner of the tables did. `docs/audit.md` describes the chain.

-- When the database took an event up, by its own clock. Null for events of before the chain.
ALTER TABLE audit_events ADD COLUMN recorded_at timestamptz;
ALTER TABLE audit_events ALTER COLUMN recorded_at SET DEFAULT now();

-- For the list: newest first, by who did it, by what it is, by session. By subject and by time there are indexes already.
CREATE INDEX audit_events_type_idx ON audit_events (type, id DESC);
CREATE INDEX audit_events_actor_idx ON audit_events (actor_id, id DESC) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_session_idx ON audit_events (session_id, id DESC) WHERE session_id IS NOT NULL;

-- Events that wait for their seal. A queue, and not a position in audit_events: ids are taken before their transactions commit, so
-- that a lower one may turn up after a higher one was sealed, and one that never turns up belongs to what was rolled back. A trigger
-- fills it, in the transaction of the event, so that a server of the release before is sealed too.
CREATE TABLE audit_unsealed (
  event_id bigint PRIMARY KEY,
  waits_since timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_unsealed (event_id) VALUES (NEW.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER audit_events_recorded AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION queue_for_seal();
INSERT INTO audit_unsealed (event_id) SELECT id FROM audit_events;

-- One seal a batch: which events, in ascending order of id, a SHA-256 of each, and a hash that goes on from the seal before.
-- The number is the second guard, after an advisory lock, against two servers that seal at once: the chain cannot fork.
CREATE TABLE audit_seals (
  number bigint PRIMARY KEY,
  sealed_at timestamptz NOT NULL,
  -- Whether every event that had been committed by sealed_at is in this seal or in one before it.
  complete boolean NOT NULL,
  event_ids bigint[] NOT NULL,
  digests bytea NOT NULL,
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  mac bytea NOT NULL,
  CONSTRAINT audit_seals_shape CHECK (
    number > 0 AND cardinality(event_ids) > 0 AND octet_length(digests) = 32 * cardinality(event_ids)
      AND octet_length(previous_hash) = 32 AND octet_length(hash) = 32 AND octet_length(mac) = 32
  )
);

-- Where the chain begins after old events were archived and deleted: the last seal that is gone, vouched for by a MAC.
CREATE TABLE audit_anchors (
  number bigint PRIMARY KEY,
  hash bytea NOT NULL,
  sealed_at timestamptz NOT NULL,
  archived_at timestamptz NOT NULL,
  mac bytea NOT NULL
);

-- The key of the MACs, wrapped by the KMS: a dump of the database cannot make a seal.
CREATE TABLE audit_key (wrapped text NOT NULL);
CREATE UNIQUE INDEX audit_key_one_row ON audit_key ((true));

-- Old events go by `audit archive` alone, which says so for its own transaction. The setting is no protection: the missing DELETE
-- privilege of the server's role is. It keeps an owner's slip from becoming a hole.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('sello.audit_archive', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% can only be added to: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_anchors_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_anchors
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Gives a role what the server needs and no more: rows of any table, of those of later migrations too, except where less will do.
-- Of an event neither id nor recorded_at can be chosen. A migration that adds a table like these takes its rights back itself.
CREATE FUNCTION grant_server_rights(server name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  home name := current_schema();
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, server);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I', home, server);
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I', home, server);
  EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON audit_events, audit_anchors, decoy_key FROM %I', server);
  EXECUTE format('GRANT INSERT (occurred_at, type, result, actor_id, subject_id, session_id, ip, user_agent, request_id, detail)
    ON audit_events TO %I', server);
  EXECUTE format('REVOKE UPDATE, DELETE ON audit_seals FROM %I', server);
  EXECUTE format('REVOKE UPDATE ON audit_unsealed FROM %I', server);
  EXECUTE format('REVOKE DELETE ON audit_key FROM %I', server);
  IF to_regclass('schema_migrations') IS NOT NULL THEN
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM %I', server);
  END IF;
END
$$;

-- Roles belong to the whole server, where other databases may be migrated at this moment. Who may not create one, and finds none,
-- goes on without: `migrate --server-role NAME` makes up for it.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sello_app') THEN
    BEGIN
      CREATE ROLE sello_app NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN RAISE NOTICE 'no role sello_app: this user may not create it';
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sello_app') THEN
    BEGIN
      PERFORM grant_server_rights('sello_app');
    EXCEPTION
      WHEN insufficient_privilege THEN RAISE NOTICE 'sello_app was not given its rights: %', SQLERRM;
    END;
  END IF;
END
$$;
