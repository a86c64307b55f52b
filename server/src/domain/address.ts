/** `::ffff:1.2.3.4` is `1.2.3.4`, and a zone (`%eth0`) says nothing of who calls. */
export function canonicalAddress(address: string): string {
  const bare = address.split("%", 1)[0] ?? address;
  return /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)?.[1] ?? bare.toLowerCase();
}

/**
 * What a limit by address counts: an IPv4 address, or the /64 network of an IPv6 address, which one household or server
 * holds whole (RFC 6177).
 */
export function addressBucket(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group || "0", 16).toString(16));
  return `${network.join(":")}::/64`;
}
