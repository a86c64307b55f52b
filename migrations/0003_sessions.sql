-- A session is one login and the chain of refresh tokens that grew from it.
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revoked_reason text,
  ip inet NOT NULL,
  user_agent text NOT NULL
);
-- Of all sessions, not of the live ones alone: a user who is deleted takes every one of them along.
CREATE INDEX sessions_user_idx ON sessions (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Only hashes. A used token stays until its session is over: that is how a replay is known for what it is.
CREATE TABLE refresh_tokens (
  token_hash bytea PRIMARY KEY,
  session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  successor_hash bytea,
  successor_sealed bytea,
  CONSTRAINT refresh_tokens_successor CHECK (
    (used_at IS NULL) = (successor_hash IS NULL) AND (used_at IS NULL) = (successor_sealed IS NULL)
  )
);
-- One live token a session: the chain is linear by constraint. It also finds the tokens of a session that goes.
CREATE UNIQUE INDEX refresh_tokens_live_key ON refresh_tokens (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (session_id);

-- Access tokens that were ended by themselves before their time. Sessions carry their own end.
CREATE TABLE revoked_tokens (
  jti text PRIMARY KEY,
  session_id uuid NOT NULL,
  revoked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at_idx ON revoked_tokens (expires_at);
