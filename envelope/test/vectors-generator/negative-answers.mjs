import { now } from "./positive.mjs";
import { b64, gcm, pseudoRandom } from "./primitives.mjs";
import { aadText, binding, flip, invalid, jti, plaintext, without } from "./sealing.mjs";

/** Answers for a client that called `binding` with `jti` under `content_key`. */
export function answerRows() {
  const key = pseudoRandom("negative answer key", 32);
  const iv = pseudoRandom("negative answer iv", 12);
  const otherJti = b64(pseudoRandom("negative other jti", 16));
  const aad = JSON.stringify({ b: binding, re: jti });
  const answer = (/** @type {Record<string, unknown>} */ change = {}) => {
    const used = { key, iv, aad: Buffer.from(change.aad ?? aad), plaintext, ...change.gcm };
    return { enc: "A256GCM", iv: b64(used.iv), ct: b64(gcm(used)), aad: b64(used.aad) };
  };
  const good = answer();
  const refuse = (
    /** @type {string} */ name,
    /** @type {unknown} */ sealed,
    /** @type {Record<string, unknown>} */ change = {},
  ) => ({
    name,
    expect: invalid,
    answer: sealed,
    ...change,
  });
  return [
    { name: "untouched", expect: "ok", plaintext, answer: good },
    {
      name: "members in another order, authentic",
      expect: "ok",
      plaintext,
      answer: answer({ aad: JSON.stringify({ re: jti, b: binding }) }),
    },
    {
      name: "to a request without additional data",
      expect: "ok",
      plaintext,
      jti: null,
      answer: answer({ aad: JSON.stringify({ b: binding }) }),
    },
    refuse("to a request without additional data, yet with re", good, { jti: null }),
    refuse("to another route", answer({ aad: JSON.stringify({ b: "/auth/register", re: jti }) })),
    refuse("to another request", answer({ aad: JSON.stringify({ b: binding, re: otherJti }) })),
    refuse("to no request", answer({ aad: JSON.stringify({ b: binding }) })),
    refuse("re null", answer({ aad: JSON.stringify({ b: binding, re: null }) })),
    refuse("with a member more", answer({ aad: JSON.stringify({ b: binding, re: jti, ts: now }) })),
    refuse("the request's own additional data sent back", answer({ aad: aadText() })),
    refuse("aad not JSON", answer({ aad: "answer" })),
    refuse("aad null", answer({ aad: "null" })),
    refuse("under another key", answer({ gcm: { key: pseudoRandom("negative other key", 32) } })),
    refuse("an IV of 16 bytes, authentic", answer({ gcm: { iv: pseudoRandom("negative answer iv", 16) } })),
    refuse("a tag of 12 bytes, authentic", answer({ gcm: { tagBytes: 12 } })),
    refuse("an empty plaintext, authentic", answer({ gcm: { plaintext: "" } })),
    refuse("a bit of ct flipped", { ...good, ct: flip(good.ct, 0) }),
    refuse("a bit of aad flipped", { ...good, aad: flip(good.aad, 0) }),
    refuse("without aad", without(good, "aad")),
    refuse("without ct", without(good, "ct")),
    refuse("without iv", without(good, "iv")),
    refuse("without enc", without(good, "enc")),
    refuse("another enc", { ...good, enc: "A128GCM" }),
    refuse("ct with a line break", { ...good, ct: `${good.ct}\n` }),
    refuse("null instead", null),
    refuse("a clear-text object instead", { ok: true }),
  ].map((row) => ({ binding, jti, content_key: b64(key), ...row }));
}
