-- A session ends when its last refresh token does, which an idle time or a short REFRESH_TTL_S puts before `expires_at`, its
-- latest end. A trigger keeps it, so that a server of the release before, which knows nothing of it, prolongs sessions too. Null
-- is a session whose tokens lived as long as itself: `least(expires_at, ends_at)` is the end in any case.
CREATE FUNCTION keep_session_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET ends_at = NEW.expires_at
  WHERE id = NEW.session_id AND least(expires_at, ends_at) IS DISTINCT FROM NEW.expires_at;
  RETURN NULL;
END
$$;
-- The trigger first: a rotation takes the two tables in this order.
CREATE TRIGGER refresh_tokens_issued AFTER INSERT ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION keep_session_end();
ALTER TABLE sessions ADD COLUMN ends_at timestamptz;
