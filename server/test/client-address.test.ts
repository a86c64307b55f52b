import { describe, expect, test } from "vitest";
import { addressBucket, canonicalAddress, isLoopback } from "../src/domain/address.ts";
import { createClientAddress } from "../src/http/client-address.ts";
import type { HttpRequest } from "../src/http/messages.ts";

/** The client of a request that came from this peer with this header. */
function clientOf(forwarded: string, { peer = "10.0.0.1", trusted = ["10.0.0.0/8"] } = {}): string {
  const request = { socket: { remoteAddress: peer }, headers: { "x-forwarded-for": forwarded } };
  return createClientAddress(trusted)(request as unknown as HttpRequest);
}

describe("X-Forwarded-For of a trusted proxy", () => {
  test.each([
    ["an address", "1.2.3.4", "1.2.3.4"],
    ["an address with a port", "1.2.3.4:5678", "1.2.3.4"],
    ["an IPv6 address", "2001:db8::1", "2001:db8::1"],
    ["an IPv6 address in brackets", "[2001:db8::1]", "2001:db8::1"],
    ["an IPv6 address with a port", "[2001:db8::1]:443", "2001:db8::1"],
    ["an IPv6 address with a zone", "fe80::1%eth0", "fe80::1"],
    ["a mapped address", "::ffff:1.2.3.4", "1.2.3.4"],
    ["a mapped address in hexadecimal", "::ffff:102:304", "1.2.3.4"],
    ["a mapped address with a port", "[::ffff:102:304]:443", "1.2.3.4"],
    ["the last of several with ports", "6.6.6.6:1, 1.2.3.4:5678, 10.9.9.9:80", "1.2.3.4"],
  ])("is believed where it is %s", (_name, forwarded, client) => {
    expect(clientOf(forwarded)).toBe(client);
  });

  test.each(["", "garbage", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:5:6", "[2001:db8::1", "[]:443", "::1]/x["])(
    "that is no address says nothing: %j",
    (forwarded) => {
      expect(clientOf(forwarded)).toBe("10.0.0.1");
    },
  );

  test.each([
    ["10.0.0.0/8", "::ffff:10.0.0.1"],
    ["10.0.0.0/8", "::ffff:a00:1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.0/104", "10.9.9.9"],
    ["2001:DB8::/32", "2001:db8::7"],
  ])("is believed of %s when the connection comes from %s", (trusted, peer) => {
    expect(clientOf("1.2.3.4", { peer, trusted: [trusted] })).toBe("1.2.3.4");
  });

  test("of anybody else is not", () => {
    expect(clientOf("1.2.3.4", { peer: "192.0.2.1" })).toBe("192.0.2.1");
  });
});

describe("an address", () => {
  test.each([
    ["::FFFF:1.2.3.4", "1.2.3.4"],
    ["::ffff:102:304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:0102:0304", "1.2.3.4"],
    ["0000:0000:0000:0000:0000:FFFF:1.2.3.4", "1.2.3.4"],
    ["2001:0DB8:0:0::1", "2001:db8::1"],
    ["1.2.3.4", "1.2.3.4"],
    ["garbage", "garbage"],
    ["::ffff:999.1.1.1.1", "::ffff:999.1.1.1.1"],
  ])("%s is written %s", (address, canonical) => {
    expect(canonicalAddress(address)).toBe(canonical);
  });

  test.each(["::ffff:1.2.3.4", "::ffff:102:304", "0:0:0:0:0:ffff:102:304", "1.2.3.4"])(
    "%s counts as IPv4",
    (address) => {
      expect(addressBucket(address)).toBe("1.2.3.4");
    },
  );

  test.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["192.168.0.1", false],
    ["127.0.0.1.example.com", false],
    ["sello", false],
  ])("%s is of this machine alone: %j", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});
