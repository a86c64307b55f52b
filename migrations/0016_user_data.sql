-- Protected and private data of users, and the wrapped keys it is encrypted with. Whose row, what for and which version are bound
-- into each wrapped key and each ciphertext: a row that was moved opens nothing.
CREATE TABLE user_keys (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT user_keys_id_key UNIQUE,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  purpose text NOT NULL,
  version integer NOT NULL,
  -- By the KMS, over another layer under the password or the recovery key where the purpose is theirs.
  wrapped_key text NOT NULL,
  -- How the password becomes a key, where it does.
  kdf text,
  salt bytea,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, purpose, version),
  CONSTRAINT user_keys_purpose CHECK (purpose IN ('protected', 'private.password', 'private.recovery')),
  CONSTRAINT user_keys_kdf CHECK ((purpose = 'private.password') = (kdf IS NOT NULL AND salt IS NOT NULL))
);

-- One row for a class: `revision` counts its changes, `key_version` says under which of the user's keys it is.
CREATE TABLE user_data (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  class text NOT NULL,
  key_version integer NOT NULL,
  revision integer NOT NULL,
  ciphertext bytea NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, class),
  CONSTRAINT user_data_class CHECK (class IN ('protected', 'private'))
);

-- What clients encrypted under keys that never come here.
CREATE TABLE user_vaults (
  user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  version integer NOT NULL,
  content bytea NOT NULL,
  updated_at timestamptz NOT NULL
);
