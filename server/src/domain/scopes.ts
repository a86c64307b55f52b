/** What a service account may be allowed to do: the scopes that RPCs declare. */
export const SCOPES = ["tokens:validate", "envelopes:use", "kms:use", "users:read_protected"] as const;

export type Scope = (typeof SCOPES)[number];

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}
