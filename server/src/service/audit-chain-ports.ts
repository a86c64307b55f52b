/** What of an event is sealed, in this order. The names are those of the columns of `audit_events`. */
export const SEALED_FIELDS = [
  "id",
  "recorded_at",
  "occurred_at",
  "type",
  "result",
  "actor_id",
  "subject_id",
  "session_id",
  "ip",
  "user_agent",
  "request_id",
  "detail",
] as const;

/** An event in the text that is sealed: times as `2026-01-31T12:00:00.000000Z`, addresses with their prefix length. */
export type SealableEvent = { id: string } & Record<(typeof SEALED_FIELDS)[number], string | null>;

/** What a seal says of its events, before it is hashed. */
export type SealContent = {
  number: number;
  sealedAt: string;
  /** Whether every event that had been committed by `sealedAt` is in this seal or in one before it. */
  complete: boolean;
  previousHash: Buffer;
  /** Ascending. */
  eventIds: string[];
  /** One SHA-256 of 32 bytes for each of `eventIds`. */
  digests: Buffer;
};
export type Seal = SealContent & { hash: Buffer; mac: Buffer };

/** The last seal of those that were archived and deleted: the chain goes on from its hash. */
export type Anchor = { number: number; hash: Buffer; sealedAt: string; archivedAt: string };
export type StoredAnchor = Anchor & { mac: Buffer };

/** Where a chain ends. Written down elsewhere, it shows that seals were cut off. */
export type ChainHead = { number: number; hash: Buffer };

/** The hashes of the chain, as `docs/audit.md` defines them. */
export type AuditHashes = {
  /** What the first seal goes on from. */
  genesis: Buffer;
  digest(event: SealableEvent): Buffer;
  hash(seal: SealContent): Buffer;
  mac(key: Buffer, hash: Buffer): Buffer;
  anchorMac(key: Buffer, anchor: Anchor): Buffer;
  /** In constant time. */
  equal(a: Buffer, b: Buffer): boolean;
};

/** The events that a new seal is made of, and where it goes. */
export type SealBatch = Pick<SealContent, "sealedAt" | "complete"> & {
  previous: ChainHead | undefined;
  events: SealableEvent[];
};

export type AuditSeals = {
  /** Seconds for which the oldest event has been waiting for its seal; undefined when none does. */
  oldestWaitS(): Promise<number | undefined>;
  head(): Promise<ChainHead | undefined>;
  /** Whether the chain holds that seal, or did until it was archived. */
  has(head: ChainHead): Promise<boolean>;
  /**
   * Seals up to `limit` events that wait, in one transaction: `make` turns them into the seal. Undefined when none waits, or when
   * another server is sealing.
   */
  sealNext(limit: number, make: (batch: SealBatch) => Seal): Promise<Seal | undefined>;
  /** Shows the whole trail as it is at one moment. */
  inspect<T>(task: (reader: AuditReader) => Promise<T>): Promise<T>;
};

/** Reads the trail in pieces. */
export type AuditReader = {
  anchor(): Promise<StoredAnchor | undefined>;
  /** The seals after that number, in order. */
  sealsAfter(number: number, limit: number): Promise<Seal[]>;
  events(ids: string[]): Promise<SealableEvent[]>;
  /** The ids of events from `after` on, without it, up to `through`; all that follow where that is undefined. */
  idsAfter(after: string, through: string | undefined, limit: number): Promise<string[]>;
  /** What waits for its seal after that id: whether the event is there, and for how many seconds. */
  waitingAfter(after: string, limit: number): Promise<{ id: string; exists: boolean; waitS: number }[]>;
};

/** Takes old events out of the database, as the owner of the tables. */
export type AuditArchive = {
  /** Says that the chain begins after that seal, and records who did it. */
  anchor(anchor: StoredAnchor, events: number): Promise<void>;
  /** Deletes the oldest seal up to that number, with its events. False when there is none. */
  removeOldest(through: number): Promise<boolean>;
};

/** The wrapped key of the chain. */
export type AuditKeys = {
  find(): Promise<string | undefined>;
  /** Stores the first key, unless there is one or the chain has begun. */
  create(wrapped: string): Promise<void>;
  replace(old: string, wrapped: string): Promise<void>;
};
