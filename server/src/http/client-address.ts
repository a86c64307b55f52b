import { BlockList, isIP } from "node:net";
import { canonicalAddress } from "../domain/address.ts";
import { type HttpRequest, headerOf } from "./messages.ts";

/** Finds the address of the client of a request. */
export type ClientAddress = (request: HttpRequest) => string;

/**
 * The address that the connection comes from; behind the configured proxies, the last address of `X-Forwarded-For` that none
 * of them has. Whoever else sends such a header is not believed.
 * @throws Error when a proxy is neither an address nor a CIDR block.
 */
export function createClientAddress(trustedProxies: string[]): ClientAddress {
  const trusted = createTrustList(trustedProxies);
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (request) => {
    const peer = canonicalAddress(request.socket.remoteAddress ?? "0.0.0.0");
    if (trustedProxies.length === 0 || !isTrusted(peer)) return peer;
    const forwarded = (headerOf(request, "x-forwarded-for") ?? "").split(",").map(addressOfHop);
    let client = peer;
    for (const hop of forwarded.reverse()) {
      if (isIP(hop) === 0) break;
      client = hop;
      if (!isTrusted(hop)) break;
    }
    return client;
  };
}

/** Some proxies add the port that they were called from: `1.2.3.4:5678`, `[2001:db8::1]:443`. */
const WITH_PORT = /^(?:(?<ipv4>[\d.]+):\d{1,5}|\[(?<ipv6>[^\]]+)\](?::\d{1,5})?)$/;

function addressOfHop(hop: string): string {
  const text = hop.trim();
  const { ipv4, ipv6 } = WITH_PORT.exec(text)?.groups ?? {};
  return canonicalAddress(ipv4 ?? ipv6 ?? text);
}

function createTrustList(proxies: string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = "", prefix, ...rest] = proxy.split("/");
    const family = isIP(address);
    const bits = Number(prefix ?? (family === 6 ? 128 : 32));
    if (family === 0 || rest.length > 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32)) {
      throw new Error(`TRUSTED_PROXIES: ${proxy} is neither an address nor a CIDR block`);
    }
    const canonical = canonicalAddress(address);
    const isMapped = family === 6 && isIP(canonical) === 4;
    list.addSubnet(canonical, isMapped ? Math.max(0, bits - 96) : bits, isIP(canonical) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}
