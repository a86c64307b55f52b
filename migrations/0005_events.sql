-- What happened, to whom, from where: written in the statement that made it happen, so that neither is ever without the other.
CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at timestamptz NOT NULL,
  type text NOT NULL,
  result text NOT NULL,
  actor_id uuid,
  subject_id uuid,
  session_id uuid,
  ip inet,
  user_agent text NOT NULL,
  request_id text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_subject_idx ON audit_events (subject_id, id DESC);
CREATE INDEX audit_events_occurred_at_idx ON audit_events (occurred_at);

-- Domain events for other services, in the order of their ids. A relay publishes them; rows stay for a week at the most.
CREATE TABLE outbox_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at timestamptz NOT NULL,
  type text NOT NULL,
  payload jsonb NOT NULL
);
CREATE INDEX outbox_events_occurred_at_idx ON outbox_events (occurred_at);
