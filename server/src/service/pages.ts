import { refuseProblems } from "../domain/validation.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;

/** How many items a page has. @throws AuthError `validation_failed`. */
export function pageLimit(pageSize: number): number {
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > MAX_PAGE) {
    refuseProblems([{ field: "page_size", problem: `must be 1 to ${MAX_PAGE}` }]);
  }
  return pageSize === 0 ? DEFAULT_PAGE : pageSize;
}

/** Splits what was read with a limit of one more into the page and the item behind which the next one begins. */
export function splitPage<T>(rows: T[], limit: number): { items: T[]; last: T | undefined } {
  const items = rows.slice(0, limit);
  return { items, last: rows.length > limit ? items.at(-1) : undefined };
}

/** A page token says nothing to a client: nobody is to build one. */
export function writePageToken(parts: string[]): string {
  return Buffer.from(parts.join("."), "utf8").toString("base64url");
}

/** The parts of a page token; undefined for the first page. @throws AuthError `validation_failed`. */
export function readPageToken(token: string, pattern: RegExp): string[] | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString("utf8");
  const match = writePageToken([text]) === token ? pattern.exec(text) : null;
  if (match === null) refuseProblems([{ field: "page_token", problem: "must be the next_page_token of an answer" }]);
  return match?.slice(1);
}
