-- Every attempt, good or bad. Of an identifier that names nobody only a hash is kept: people type passwords there.
CREATE TABLE login_attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  attempted_at timestamptz NOT NULL,
  user_id uuid REFERENCES users ON DELETE SET NULL,
  identifier_hash bytea NOT NULL,
  ip inet NOT NULL,
  user_agent text NOT NULL,
  result text NOT NULL
);
CREATE INDEX login_attempts_user_idx ON login_attempts (user_id, attempted_at DESC);
CREATE INDEX login_attempts_attempted_at_idx ON login_attempts (attempted_at);

-- Failures in a row, of accounts and of identifiers nobody holds alike, so that a lock does not tell who has an account.
CREATE TABLE login_lockouts (
  subject text PRIMARY KEY,
  failures integer NOT NULL,
  window_started_at timestamptz NOT NULL,
  -- How often it was locked in a row: each lock is twice as long as the one before.
  strikes integer NOT NULL DEFAULT 0,
  locked_until timestamptz,
  -- What the last attempt was told; read back by the statement that wrote it.
  allowed boolean NOT NULL,
  touched_at timestamptz NOT NULL
);
CREATE INDEX login_lockouts_touched_at_idx ON login_lockouts (touched_at);
