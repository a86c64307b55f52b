/**
 * One text for each address, the one of RFC 5952: `::ffff:1.2.3.4` and `::ffff:102:304` are `1.2.3.4`, and a zone (`%eth0`) says
 * nothing of who calls. What is no address comes back in lower case.
 */
export function canonicalAddress(address: string): string {
  const bare = address.split("%", 1)[0]?.toLowerCase() ?? "";
  if (!bare.includes(":")) return bare;
  // What the sockets of a server on `::` say of every IPv4 client: worth not parsing.
  const dotted = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(bare)?.[1];
  if (dotted !== undefined) return dotted;
  const url = `http://[${bare}]`;
  if (!/^[0-9a-f:.]+$/.test(bare) || !URL.canParse(url)) return bare;
  const canonical = new URL(url).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const pairs = [high, low].map((group) => Number.parseInt(group, 16));
  return pairs.map((pair) => `${pair >> 8}.${pair & 0xff}`).join(".");
}

/**
 * What a limit by address counts: an IPv4 address, or the /64 network of an IPv6 address, which one household or server
 * holds whole (RFC 6177).
 */
export function addressBucket(address: string): string {
  const canonical = canonicalAddress(address);
  if (!canonical.includes(":")) return canonical;
  const [head = "", tail] = canonical.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** Whether only this machine reaches what listens on the host. */
export function isLoopback(host: string): boolean {
  const address = canonicalAddress(host);
  return address === "localhost" || address === "::1" || /^127(\.\d{1,3}){3}$/.test(address);
}
