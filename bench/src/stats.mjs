/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A sample a round, and what stands in a table of it. @param {number[]} samples */
export function summary(samples) {
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples) };
}

/** Round by round: what was measured in one minute is compared with itself. @param {number[]} a @param {number[]} b */
export function ratios(a, b) {
  return a.map((value, round) => value / b[round]);
}

/**
 * Runs the contestants in turn, A B A B A B, and collects a number of each a round.
 * @template {string} K
 * @param {number} rounds
 * @param {Record<K, () => Promise<number>>} contestants
 * @returns {Promise<Record<K, number[]>>}
 */
export async function interleave(rounds, contestants) {
  const samples = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(contestants)) samples[name].push(await measure());
  }
  return samples;
}
