-- Second factors. A secret is wrapped by the KMS for its user; what another kind needs, a passkey's public key say, goes into
-- `data`. Until `confirmed_at` a factor is an offer, and nothing asks for it.
CREATE TABLE mfa_factors (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  kind text NOT NULL,
  secret_wrapped text,
  data jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  confirmed_at timestamptz,
  last_used_at timestamptz,
  -- The time step (RFC 6238) of the last code that was accepted: none of it, or of a step before it, is accepted again.
  last_used_step bigint,
  CONSTRAINT mfa_factors_totp_secret CHECK (kind <> 'totp' OR secret_wrapped IS NOT NULL)
);
-- One app a user; of other kinds there may be several.
CREATE UNIQUE INDEX mfa_factors_totp_key ON mfa_factors (user_id) WHERE kind = 'totp';
CREATE INDEX mfa_factors_user_idx ON mfa_factors (user_id);
CREATE INDEX mfa_factors_unconfirmed_idx ON mfa_factors (created_at) WHERE confirmed_at IS NULL;

-- Only hashes: with 80 random bits a code, a fast hash is enough. A used one stays until the next set is made.
CREATE TABLE recovery_codes (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  code_hash bytea NOT NULL,
  created_at timestamptz NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (user_id, code_hash)
);

-- Logins whose password was right and whose second factor is still to come. A challenge is good for the password that it was
-- made with, and for the client that it was given to.
CREATE TABLE mfa_challenges (
  token_hash bytea PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- Which of the user's names the login used: failures are counted there too.
  identifier_kind text NOT NULL CHECK (identifier_kind IN ('email', 'username')),
  identifier_hash bytea NOT NULL,
  password_sha256 bytea NOT NULL,
  user_agent text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  tries integer NOT NULL DEFAULT 0
);
CREATE INDEX mfa_challenges_user_idx ON mfa_challenges (user_id);
CREATE INDEX mfa_challenges_expires_at_idx ON mfa_challenges (expires_at);
