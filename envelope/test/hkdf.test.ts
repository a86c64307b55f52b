import { expect, test } from "vitest";
import { hkdfSha256 } from "../src/hkdf.ts";

/** RFC 5869 appendix A, the SHA-256 cases. */
const rfc5869 = [
  {
    name: "A.1",
    ikm: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    name: "A.2",
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    okm:
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
      "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    name: "A.3",
    ikm: "0b".repeat(22),
    salt: "",
    info: "",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

test.each(rfc5869)("derives what RFC 5869 $name says", async ({ ikm, salt, info, okm }) => {
  const derived = await hkdfSha256(hex(ikm), { salt: hex(salt), info: hex(info), length: okm.length / 2 });
  expect(derived).toEqual(hex(okm));
});

function range(first: number, last: number): string {
  return Buffer.from(Array.from({ length: last - first + 1 }, (_, i) => first + i)).toString("hex");
}

function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, "hex"));
}
