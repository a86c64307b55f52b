import { AuthError } from "./errors.ts";

export type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * A fetch that rejects with `offline` when no answer comes, or not the whole of a JSON answer; with the signal's reason when
 * that is aborted. A redirect counts as no answer: nothing sealed or signed for one address goes to another.
 */
export function createNetwork(fetch: Fetch, onAnswer: (response: Response) => void = () => {}): Fetch {
  return async (input, init) => {
    try {
      const response = await fetch(input, { ...init, redirect: "error" });
      onAnswer(response);
      const isJson = response.headers.get("content-type")?.startsWith("application/json");
      return isJson ? new Response((await response.text()) || null, response) : response;
    } catch (error) {
      init?.signal?.throwIfAborted();
      throw new AuthError("offline", "No answer came. Check the connection and try again.", { cause: error });
    }
  };
}
