-- A server of the release before second factors opens a session on a right password alone, whatever users.mfa_enabled says. While one
-- runs beside, or again after a release was taken back, a user with a second factor must not be let in that way. A login with the
-- factor says when it was proved, which that release never does; the session is refused without it.
CREATE FUNCTION refuse_session_without_factor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM users WHERE users.id = NEW.user_id AND users.mfa_enabled) THEN
    RAISE EXCEPTION 'a session of a user with a second factor is opened with it' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER sessions_with_factor BEFORE INSERT ON sessions FOR EACH ROW
  WHEN (NEW.authenticated_at IS NULL) EXECUTE FUNCTION refuse_session_without_factor();
