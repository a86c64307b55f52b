/** SQL of a time in the text that is sealed: UTC, to the microsecond, whatever the settings of the connection. */
export function sealedTime(time: string): string {
  return `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The columns of a `SealableEvent`, where `audit_events` is in scope. `docs/audit.md` names these forms. */
export const SEALABLE_COLUMNS = `audit_events.id::text AS id, ${sealedTime("recorded_at")} AS recorded_at,
  ${sealedTime("occurred_at")} AS occurred_at, type, result, actor_id::text AS actor_id, subject_id::text AS subject_id,
  session_id::text AS session_id, ip::text AS ip, user_agent, request_id, detail::text AS detail`;
