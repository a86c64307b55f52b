import { encode } from "uqr";
import { expect, test } from "vitest";
import { qrCodeSvg } from "../src/rpc/qr-code.ts";

const URI =
  "otpauth://totp/Example:ada%40example.com?issuer=Example&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30";

test("a QR code draws every module of the text's code where it belongs, and no other", () => {
  const svg = qrCodeSvg(URI);
  const { data, size } = encode(URI, { border: 4, ecc: "M" });
  expect(svg).toContain(`viewBox="0 0 ${size} ${size}"`);
  const drawn = data.map((row) => row.map(() => false));
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    drawn[Number(y)]?.fill(true, Number(x), Number(x) + Number(length));
  }
  expect(drawn).toStrictEqual(data);
});

test("a QR code has white around it, and its three corners", () => {
  const svg = qrCodeSvg("x");
  expect(svg).toMatch(
    /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 29 29" shape-rendering="crispEdges">/,
  );
  expect(svg).toContain('<path fill="#fff" d="M0 0h29v29H0z"/>');
  for (const corner of ["M4 4h7", "M18 4h7", "M4 18h7"]) expect(svg).toContain(corner);
});

test("a QR code of a URI takes a few kilobytes", () => {
  expect(qrCodeSvg(URI).length).toBeLessThan(16_000);
});
