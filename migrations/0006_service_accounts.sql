-- Other back ends that may call. Of a secret only its SHA-256 is kept: with 256 bits of randomness a fast hash is enough.
CREATE TABLE service_accounts (
  id uuid PRIMARY KEY,
  name text NOT NULL CONSTRAINT service_accounts_name_key UNIQUE,
  secret_hash bytea NOT NULL CONSTRAINT service_accounts_secret_hash_key UNIQUE,
  scopes text[] NOT NULL,
  -- SHA-256 of the DER of the one client certificate it may call with; null where any connection will do.
  client_certificate_sha256 bytea,
  created_at timestamptz NOT NULL,
  disabled_at timestamptz
);
