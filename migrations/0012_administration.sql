-- Administration. Everything here is kept by defaults and triggers, so that a server of the release before, which knows nothing of
-- it, keeps it too.

-- Who writes on what was read before says which version that was. Of a user it is what an administrator sees, assigned roles aside.
ALTER TABLE users
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
ALTER TABLE roles ADD COLUMN version integer NOT NULL DEFAULT 1;

CREATE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  RETURN NEW;
END
$$;
CREATE TRIGGER users_version BEFORE UPDATE ON users FOR EACH ROW
  WHEN ((OLD.email, OLD.username, OLD.password_changed_at, OLD.mfa_enabled, OLD.disabled_at, OLD.data_public, OLD.email_verified)
    IS DISTINCT FROM
    (NEW.email, NEW.username, NEW.password_changed_at, NEW.mfa_enabled, NEW.disabled_at, NEW.data_public, NEW.email_verified))
  EXECUTE FUNCTION next_version();
-- A role is its parents and permissions too: whoever changes those touches the role.
CREATE TRIGGER roles_version BEFORE UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION next_version();

-- Pages of users in the order of their creation, and the filters that find few among many.
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_disabled_idx ON users (created_at, id) WHERE disabled_at IS NOT NULL;
CREATE INDEX users_mfa_idx ON users (created_at, id) WHERE mfa_enabled;
-- In the order of bytes, whatever the database's language: a prefix is then a range.
CREATE INDEX users_email_prefix_idx ON users (email COLLATE "C");
CREATE INDEX users_username_prefix_idx ON users (username_key COLLATE "C");
CREATE INDEX login_lockouts_locked_idx ON login_lockouts (locked_until) WHERE locked_until IS NOT NULL;
CREATE INDEX role_parents_parent_idx ON role_parents (parent);

-- What a set of roles comes to, parents included: effective_grants for roles instead of a user.
CREATE FUNCTION grants_of_roles(assigned text[]) RETURNS TABLE (roles text[], permissions text[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  WITH RECURSIVE held (role) AS (
    SELECT unnest(assigned)
    UNION
    SELECT role_parents.parent FROM held JOIN role_parents ON role_parents.role = held.role
  )
  SELECT
    coalesce((SELECT array_agg(role ORDER BY role) FROM held), '{}'),
    coalesce((SELECT array_agg(DISTINCT permission ORDER BY permission) FROM held JOIN role_permissions USING (role)), '{}')
$$;

-- What the roles come to is remembered outside the database under this key, which is another one after each change of any role: what
-- was remembered before is then never found again, nor believed.
CREATE TABLE grants_key (key bytea NOT NULL);
CREATE UNIQUE INDEX grants_key_one_row ON grants_key ((true));
INSERT INTO grants_key (key) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- Users whose roles, permissions or username changed, for back ends that remember them; null is everybody. Like ended_sessions, in
-- the order of the database's own clock.
CREATE TABLE changed_users (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id uuid,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changed_users_changed_at_idx ON changed_users (changed_at);

CREATE FUNCTION note_changed_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE grants_key SET key = sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  INSERT INTO changed_users (user_id) VALUES (NULL);
  RETURN NULL;
END
$$;
CREATE TRIGGER role_parents_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON role_parents
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_roles();
CREATE TRIGGER role_permissions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON role_permissions
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_roles();

-- More than a hundred at once are told as everybody: a role that all hold is taken from a million users in one statement. Of a user
-- whose row this transaction made nobody has a token.
CREATE FUNCTION note_changed_holders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO changed_users (user_id)
  WITH few AS MATERIALIZED (
    SELECT DISTINCT changed.user_id FROM changed
    WHERE NOT EXISTS (SELECT FROM users WHERE users.id = changed.user_id AND users.xmin = pg_current_xact_id()::xid)
    LIMIT 101
  )
  SELECT DISTINCT CASE WHEN (SELECT count(*) FROM few) <= 100 THEN few.user_id END FROM few;
  RETURN NULL;
END
$$;
CREATE TRIGGER user_roles_given AFTER INSERT ON user_roles REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_holders();
CREATE TRIGGER user_roles_taken AFTER DELETE ON user_roles REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_holders();
CREATE TRIGGER user_roles_moved AFTER UPDATE ON user_roles REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_holders();

CREATE FUNCTION note_changed_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO changed_users (user_id) VALUES (NEW.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER users_renamed AFTER UPDATE OF username ON users FOR EACH ROW
  WHEN (OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION note_changed_user();
