import { encode } from "uqr";

/** Four modules of white around it (ISO/IEC 18004), and 15 % of it may be unreadable. */
const FORM = { border: 4, ecc: "M" } as const;

/** A text as a QR code: an SVG document of two paths, black on white whatever the page's theme, for cameras. */
export function qrCodeSvg(text: string): string {
  const { data, size } = encode(text, FORM);
  const black = data.flatMap((row, y) => runsOf(row).map(({ x, length }) => `M${x} ${y}h${length}v1h-${length}z`));
  const ground = `<path fill="#fff" d="M0 0h${size}v${size}H0z"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">${ground}<path d="${black.join("")}"/></svg>`;
}

/** Where a row is black, from which column and for how many. */
function runsOf(row: boolean[]): { x: number; length: number }[] {
  const runs: { x: number; length: number }[] = [];
  for (const [x, isBlack] of row.entries()) {
    const last = runs.at(-1);
    if (isBlack && last !== undefined && last.x + last.length === x) last.length++;
    else if (isBlack) runs.push({ x, length: 1 });
  }
  return runs;
}
