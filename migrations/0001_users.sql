-- Accounts. The email is stored in its canonical form, the username beside its own: both are unique in that form, so that
-- no two accounts look alike. Uniqueness is a constraint, never a look-up before an insert.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL CONSTRAINT users_email_key UNIQUE,
  username text NOT NULL,
  username_key text NOT NULL CONSTRAINT users_username_key UNIQUE,
  password_hash text NOT NULL,
  password_changed_at timestamptz NOT NULL,
  mfa_enabled boolean NOT NULL DEFAULT false,
  disabled_at timestamptz,
  data_public jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL
);
