/** A generator of numbers in [0, 1) that a seed determines (mulberry32). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const at = (bytes: Buffer, random: Random) => Math.floor(random() * (bytes.length + 1));

const flipBit: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const index = Math.min(at(copy, random), copy.length - 1);
  if (index >= 0) copy[index] = (copy[index] ?? 0) ^ (1 << Math.floor(random() * 8));
  return copy;
};
const truncate: Mutation = (bytes, random) => bytes.subarray(0, at(bytes, random));
const splice: Mutation = (bytes, random, others) => {
  const other = pick(random, others);
  return Buffer.concat([bytes.subarray(0, at(bytes, random)), other.subarray(at(other, random))]);
};
const repeat: Mutation = (bytes, random) => {
  const [a, b] = [at(bytes, random), at(bytes, random)].sort((x, y) => x - y) as [number, number];
  return Buffer.concat([bytes.subarray(0, b), bytes.subarray(a)]);
};
const insert: Mutation = (bytes, random) => {
  const index = at(bytes, random);
  const noise = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * 256)));
  return Buffer.concat([bytes.subarray(0, index), noise, bytes.subarray(index)]);
};

const BYTES: Mutation[] = [flipBit, truncate, splice, repeat, insert];

/** One to four changes of the bytes. `others` are what pieces are taken from. */
export function mutateBytes(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let mutated = bytes;
  for (let i = 1 + Math.floor(random() * 4); i > 0; i--) mutated = pick(random, BYTES)(mutated, random, others);
  return mutated;
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  "",
  "\0",
  "\ud800",
  "x".repeat(5_000),
  [],
  {},
  [[[]]],
  { a: { b: [null] } },
  "2026-01-01T00:00:00Z",
  "AAAA",
];

/** JSON in which some values became others, of another type mostly. */
export function swapTypes(json: unknown, random: Random): unknown {
  if (random() < 0.25) return pick(random, VALUES);
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((value) => swapTypes(value, random));
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, swapTypes(value, random)]));
}
