-- Keys of the server's own, one for each purpose, which all replicas share: wrapped by the KMS, so that a dump of the database holds
-- none of them. The first one hashes what people type as identifiers: they type passwords there, and a plain hash of one can be
-- guessed. A release before this one goes on with its plain hashes beside it; they age out of login_attempts and login_lockouts.
-- decoy_key, which a dump does hold, is read by such a release alone; a later migration may drop it.
CREATE TABLE server_keys (
  purpose text PRIMARY KEY,
  wrapped_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
