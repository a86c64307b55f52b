import { describe, expect, test } from "vitest";
import { importContentKey, openGcm, sealGcm } from "../src/aes-gcm.ts";
import { utf8 } from "../src/bytes.ts";

/** Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation": AES-256, a 12-byte IV, additional data. */
const known = {
  key: hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
  iv: hex("cafebabefacedbaddecaf888"),
  aad: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
  plaintext: hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  ),
  ct: hex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
      "76fc6ece0f4e1768cddf8853bb2d551b",
  ),
};

describe("AES-256-GCM", () => {
  test("opens the known answer of the mode's authors", async () => {
    const key = await importContentKey(known.key);
    expect(await openGcm(key, known, known.aad)).toEqual(known.plaintext);
  });

  test("refuses the known answer with other additional data", async () => {
    const key = await importContentKey(known.key);
    await expect(openGcm(key, known, known.aad.subarray(1))).rejects.toMatchObject({ code: "envelope_invalid" });
  });

  test.each([0, 16, 24, 31, 33, 64])("refuses a key of %i bytes", async (length) => {
    await expect(importContentKey(new Uint8Array(length))).rejects.toThrow("32 bytes");
  });

  test("has a key that cannot be exported", async () => {
    const key = await importContentKey(known.key);
    await expect(crypto.subtle.exportKey("raw", key)).rejects.toThrow();
  });

  test("takes a fresh 12-byte IV and adds a 16-byte tag each time", async () => {
    const key = await importContentKey(known.key);
    const sealed = await Promise.all(Array.from({ length: 100 }, () => sealGcm(key, utf8("{}"), known.aad)));
    expect(new Set(sealed.map(({ iv }) => iv.toString())).size).toBe(100);
    expect(new Set(sealed.map(({ iv, ct }) => `${iv.length} ${ct.length}`))).toEqual(new Set(["12 18"]));
  });
});

function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, "hex"));
}
