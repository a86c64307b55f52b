export type AuditFilter = {
  type?: string | undefined;
  actorId?: string | undefined;
  subjectId?: string | undefined;
  sessionId?: string | undefined;
  /** Events that occurred at or after this. */
  from?: Date | undefined;
  /** Events that occurred before this. */
  to?: Date | undefined;
};

export type AuditEvent = {
  id: string;
  occurredAt: Date;
  type: string;
  result: string;
  actorId: string | undefined;
  subjectId: string | undefined;
  sessionId: string | undefined;
  ip: string | undefined;
  userAgent: string;
  requestId: string;
  detail: Record<string, unknown>;
};

export type AuditTrail = {
  /** The newest first. `after` is the id of the last event of the page before. */
  list(page: { filter: AuditFilter; limit: number; after: string | undefined }): Promise<AuditEvent[]>;
};
