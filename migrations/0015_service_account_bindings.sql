-- What a service account may open envelopes for: paths, each with what is below it. Null where any path will do, which is what
-- the release before this one writes and assumes.
ALTER TABLE service_accounts ADD COLUMN bindings text[];
