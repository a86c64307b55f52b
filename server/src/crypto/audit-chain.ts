import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type AuditHashes, SEALED_FIELDS } from "../service/audit-chain-ports.ts";

const DIGEST_BYTES = 32;
/** Each hash begins with what it is of: none can be taken for another. */
const LABELS = {
  event: "sello/1 audit event",
  seal: "sello/1 audit seal",
  mac: "sello/1 audit mac",
  anchor: "sello/1 audit anchor",
};
const NULL_LENGTH = 0xffffffff;

/** SHA-256, and HMAC-SHA256 under a key that is not in the database: who owns the tables could compute a hash without one. */
export const auditHashes: AuditHashes = {
  genesis: Buffer.alloc(DIGEST_BYTES),

  digest(event) {
    return sha256([LABELS.event, ...SEALED_FIELDS.map((field) => event[field])]);
  },

  hash({ number, sealedAt, complete, previousHash, eventIds, digests }) {
    const events = eventIds.flatMap((id, index) => [
      id,
      digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
    ]);
    return sha256([LABELS.seal, String(number), sealedAt, String(complete), previousHash, ...events]);
  },

  mac(key, hash) {
    return hmac(key, [LABELS.mac, hash]);
  },

  anchorMac(key, { number, hash, sealedAt, archivedAt }) {
    return hmac(key, [LABELS.anchor, String(number), hash, sealedAt, archivedAt]);
  },

  equal(a, b) {
    return a.length === b.length && timingSafeEqual(a, b);
  },
};

type Part = string | Uint8Array | null;

function sha256(parts: Part[]): Buffer {
  return createHash("sha256").update(encode(parts)).digest();
}

function hmac(key: Buffer, parts: Part[]): Buffer {
  return createHmac("sha256", key).update(encode(parts)).digest();
}

/** Each part behind its length in four bytes, and a null as a length that no part has: no two lists read the same. */
function encode(parts: Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = typeof part === "string" ? Buffer.from(part) : (part ?? Buffer.alloc(0));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part === null ? NULL_LENGTH : bytes.length);
      return [length, bytes];
    }),
  );
}
