/** Whether a machine that lacks the tool must fail instead of skipping: `SELLO_REQUIRE=python,chromium`. */
export function isRequired(tool: string): boolean {
  return (process.env["SELLO_REQUIRE"] ?? "").split(",").includes(tool);
}
