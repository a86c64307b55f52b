/** `resource:action`; each side is a name or, where it is granted, `*`. */
const PERMISSION = /^(\*|[a-z][a-z0-9_.-]{0,62}):(\*|[a-z][a-z0-9_.-]{0,62})$/;

export function isPermission(text: string): boolean {
  return PERMISSION.test(text);
}

/** Whether one of the permissions that somebody holds grants the one that is needed. A wildcard stands for one whole side. */
export function isGranted(held: readonly string[], needed: string): boolean {
  const [resource, action] = needed.split(":");
  const granting = new Set([needed, `${resource}:*`, `*:${action}`, "*:*"]);
  return held.some((permission) => granting.has(permission));
}
