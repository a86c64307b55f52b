-- Picks, for an identifier that nobody has, the account whose password hash a login with it costs. Here, because every replica
-- has to pick the same one, and nobody outside may know which.
CREATE TABLE decoy_key (key bytea NOT NULL);
CREATE UNIQUE INDEX decoy_key_one_row ON decoy_key ((true));
INSERT INTO decoy_key (key) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
