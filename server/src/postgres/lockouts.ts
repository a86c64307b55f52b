export type LockoutSettings = { threshold: number; windowS: number; lockS: number };

/** No lock is longer than a day, and a day without a lock or an attempt forgets the strikes. */
const LONGEST_LOCK_S = 86_400;

/** SQL of where the failures of an account's name are counted, `kind` being email or username: the name itself is not kept. */
export function nameSubject(id: string, kind: string): string {
  return `('name:' || ${id} || ':' || ${kind})`;
}

/** The same where the kind of name is a column. */
export function storedNameSubject(id: string, kindColumn: string): string {
  return `('name:' || ${id} || ':' || ${kindColumn})`;
}

/** SQL of where the failures of a name that nobody has are counted, of its keyed hash. */
export function unknownSubject(hash: string): string {
  return `('name:' || ${hash})`;
}

/** SQL of where the failures of an account are counted, by whichever name it was guessed at. */
export function accountSubject(id: string): string {
  return `('user:' || ${id})`;
}

/**
 * A common table expression that counts an attempt: `allowed` is false inside a lock, and then nothing is counted. Otherwise
 * the one that reaches the threshold locks the subject for those after it. $2 is now, $3 to $5 are the `limitValues`.
 * An attempt at a name counts there first, and at its account second: whoever locks both rows keeps to that order, which is
 * also that of their texts.
 */
export function countAttempt(name: string, counted: { subject: string; from: string }): string {
  const locked = "(l.locked_until IS NOT NULL AND l.locked_until > $2::timestamptz)";
  const fresh =
    "(l.window_started_at <= $2::timestamptz - make_interval(secs => $4::int) OR l.locked_until IS NOT NULL)";
  const failures = `(CASE WHEN ${fresh} THEN 1 ELSE l.failures + 1 END)`;
  const strikes = `(CASE WHEN greatest(l.touched_at, l.locked_until) <= $2::timestamptz - make_interval(secs => ${LONGEST_LOCK_S}) THEN 0 ELSE l.strikes END)`;
  const lockEnd = `$2::timestamptz + make_interval(secs => least(${LONGEST_LOCK_S}, $5::int * power(2, least(${strikes}, 17))))`;
  return `${name} AS (
      INSERT INTO login_lockouts AS l (subject, failures, window_started_at, locked_until, strikes, allowed, touched_at)
      SELECT ${counted.subject}, 1, $2::timestamptz,
        CASE WHEN $3::int <= 1 THEN $2::timestamptz + make_interval(secs => $5::int) END, CASE WHEN $3::int <= 1 THEN 1 ELSE 0 END, true, $2::timestamptz
      ${counted.from}
      ON CONFLICT (subject) DO UPDATE SET
        failures = CASE WHEN ${locked} THEN l.failures ELSE ${failures} END,
        window_started_at = CASE WHEN ${locked} OR NOT ${fresh} THEN l.window_started_at ELSE $2::timestamptz END,
        strikes = CASE WHEN ${locked} OR ${failures} < $3::int THEN ${strikes} ELSE ${strikes} + 1 END,
        locked_until = CASE WHEN ${locked} THEN l.locked_until WHEN ${failures} >= $3::int THEN ${lockEnd} END,
        allowed = NOT ${locked},
        touched_at = CASE WHEN ${locked} THEN l.touched_at ELSE $2::timestamptz END
      RETURNING l.subject, l.allowed, l.locked_until
    )`;
}

export function limitValues(settings: LockoutSettings): [number, number, number] {
  return [settings.threshold, settings.windowS, settings.lockS];
}

/** Common table expressions that forget the failures of each `user_id` of `from`: the account's, and those of both its names. */
export function forgiveFailures(from: string): string {
  const names = ["'email'", "'username'"].map((kind) => nameSubject("users.id", kind));
  const subjects = [...names, accountSubject("users.id")];
  return `forgivable AS (
    SELECT login_lockouts.subject
    FROM ${from} AS whose JOIN users ON users.id = whose.user_id JOIN login_lockouts ON subject = ANY(ARRAY[${subjects.join(", ")}])
    ORDER BY subject FOR UPDATE OF login_lockouts
  ), forgiven AS (
    DELETE FROM login_lockouts USING forgivable WHERE login_lockouts.subject = forgivable.subject
  )`;
}
