import type { Client } from "../service/ports.ts";

/** Every event type, and whether other services are told of it through the outbox. `docs/audit.md` says what each is. */
export const EVENTS = {
  "user.registered": { outbox: true },
  "login.succeeded": { outbox: true },
  "login.failed": { outbox: false },
  "login.mfa_required": { outbox: false },
  "mfa.failed": { outbox: false },
  "mfa.enrollment_started": { outbox: false },
  "mfa.enrolled": { outbox: true },
  "mfa.disabled": { outbox: true },
  "mfa.recovery_codes_replaced": { outbox: true },
  "user.reauthenticated": { outbox: false },
  "reauthentication.failed": { outbox: false },
  "password.changed": { outbox: true },
  "password_change.failed": { outbox: false },
  "session.logged_out": { outbox: true },
  "session.revoked": { outbox: true },
  "session.refresh_reused": { outbox: true },
  "profile.updated": { outbox: true },
  "protected_data.read": { outbox: false },
  "private_data.unlocked": { outbox: false },
  "private_data.unlock_failed": { outbox: false },
  "private_data.updated": { outbox: false },
  "private_data.recovered": { outbox: false },
  "vault.updated": { outbox: false },
  "user_data.integrity_failed": { outbox: false },
  "user.unlocked": { outbox: false },
  "audit.archived": { outbox: false },
  "user.created": { outbox: true },
  "user.imported": { outbox: true },
  "user.updated": { outbox: true },
  "user.disabled": { outbox: true },
  "user.enabled": { outbox: true },
  "user.deleted": { outbox: true },
  "user.sessions_revoked": { outbox: true },
  "role.created": { outbox: true },
  "role.updated": { outbox: true },
  "role.deleted": { outbox: true },
  "role.assigned": { outbox: true },
  "role.revoked": { outbox: true },
  "service_account.created": { outbox: false },
  "service_account.disabled": { outbox: false },
} as const;

export type EventType = keyof typeof EVENTS;

/** How the columns of an event are found in the statement that causes it. Each is SQL: a column or a parameter. */
export type EventColumns = {
  type: EventType;
  result: "success" | "failure";
  /** The common table expression whose every row is one event. */
  from: string;
  now: string;
  actor: string;
  subject: string;
  session: string;
  ip: string;
  userAgent: string;
  requestId: string;
  detail?: string;
};

/**
 * The common table expressions that write an event beside the change that caused it, in the same statement: the audit event
 * for operators, and the domain event for other services where the type has one.
 */
export function recordEvent(event: EventColumns): string {
  const detail = event.detail ?? "'{}'::jsonb";
  const name = `audit_${event.from}`;
  const audit = `${name} AS (
    INSERT INTO audit_events (occurred_at, type, result, actor_id, subject_id, session_id, ip, user_agent, request_id, detail)
    SELECT ${event.now}, '${event.type}', '${event.result}', ${event.actor}, ${event.subject}, ${event.session},
      ${event.ip}, ${event.userAgent}, ${event.requestId}, ${detail}
    FROM ${event.from}
  )`;
  if (!EVENTS[event.type].outbox) return audit;
  return `${audit}, outbox_${event.from} AS (
    INSERT INTO outbox_events (occurred_at, type, payload)
    SELECT ${event.now}, '${event.type}',
      jsonb_build_object('user_id', ${event.subject}, 'session_id', ${event.session}) || ${detail}
    FROM ${event.from}
  )`;
}

/** The parameters of a client in the order `ip, user_agent, request_id`. */
export function clientValues(client: Client): [string, string, string] {
  return [client.ip, client.userAgent, client.requestId];
}
