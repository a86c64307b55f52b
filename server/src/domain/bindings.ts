/** A path of whole segments, as a service account may be restricted to: `/orders`, or `/shop.v1.ReportService`. */
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[^\s/?#,]+)+$/;
const MAX_LENGTH = 256;

export function isBindingPath(text: string): boolean {
  return text.length <= MAX_LENGTH && PATH.test(text);
}

/** Whether a binding is one of the paths or below one, by whole segments: `/orders` covers `/orders/7` and not `/orders2`. */
export function coversBinding(paths: readonly string[], binding: string): boolean {
  return paths.some((path) => binding === path || binding.startsWith(`${path}/`));
}
