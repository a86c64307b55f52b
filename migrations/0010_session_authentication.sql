-- When the user last proved who it is in this session; null is at login. Sensitive calls ask for a recent one.
ALTER TABLE sessions ADD COLUMN authenticated_at timestamptz;
