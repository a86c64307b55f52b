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
    const forwarded = (headerOf(request, "x-forwarded-for") ?? "")
      .split(",")
      .map((hop) => canonicalAddress(hop.trim()));
    let client = peer;
    for (const hop of forwarded.reverse()) {
      if (isIP(hop) === 0) break;
      client = hop;
      if (!isTrusted(hop)) break;
    }
    return client;
  };
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
    list.addSubnet(address, bits, family === 6 ? "ipv6" : "ipv4");
  }
  return list;
}
