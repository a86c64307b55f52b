-- Sessions that ended before their time, in the order of the database's own clock: the clocks of replicas differ, and who reads
-- what is new since a moment must not miss a row for that. Triggers write it, so that no way to end a session is forgotten.
CREATE TABLE ended_sessions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id uuid NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ended_sessions_ended_at_idx ON ended_sessions (ended_at);

CREATE FUNCTION note_ended_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ended_sessions (session_id) VALUES (OLD.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER sessions_revoked AFTER UPDATE OF revoked_at ON sessions FOR EACH ROW
  WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION note_ended_session();

-- A user who is disabled keeps the sessions, and none of them passes; one who is deleted takes them along.
CREATE FUNCTION note_sessions_of_ended_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ended_sessions (session_id) SELECT id FROM sessions WHERE user_id = OLD.id AND revoked_at IS NULL;
  RETURN OLD;
END
$$;
CREATE TRIGGER users_disabled AFTER UPDATE OF disabled_at ON users FOR EACH ROW
  WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION note_sessions_of_ended_user();
CREATE TRIGGER users_deleted BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION note_sessions_of_ended_user();
