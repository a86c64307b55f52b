import type { DescMessage, Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { refuseProblems } from "../domain/validation.ts";

/** Which fields of a class are to be replaced; `all` is the class as a whole. */
export type Replaced = "all" | Set<string>;

/**
 * What an update replaces (AIP-134): the classes and fields that the mask names, or each class that was sent. Classes by the name
 * of their field in the request. @throws AuthError `validation_failed` for a path that names none.
 */
export function readUpdateMask(
  mask: FieldMask | undefined,
  classes: Record<string, { desc: DescMessage; sent: Message | undefined }>,
): Map<string, Replaced> {
  const replaced = new Map<string, Replaced>();
  if (mask === undefined || mask.paths.length === 0) {
    for (const [name, { sent }] of Object.entries(classes)) if (sent !== undefined) replaced.set(name, "all");
    return replaced;
  }
  const unknown = mask.paths.filter((path) => {
    const [name = "", field, ...deeper] = path.split(".");
    const known = Object.hasOwn(classes, name) ? classes[name] : undefined;
    const hasField = field === undefined || known?.desc.fields.some((candidate) => candidate.name === field);
    if (known === undefined || !hasField || deeper.length > 0) return true;
    const before = replaced.get(name) ?? new Set();
    replaced.set(name, field === undefined || before === "all" ? "all" : before.add(field));
    return false;
  });
  const names = Object.keys(classes).join(", ");
  if (unknown.length > 0) {
    refuseProblems([
      { field: "update_mask", problem: `must name only ${names}, and their fields, as in ${names.split(",")[0]}.…` },
    ]);
  }
  return replaced;
}

/** Puts the named fields of `sent` in the place of those of `stored`, which it changes. What was not sent is cleared. */
export function replaceFields<Desc extends DescMessage>(
  desc: Desc,
  { stored, sent, replaced }: { stored: Message; sent: Message; replaced: Set<string> },
): void {
  const [target, source] = [reflect(desc, stored as never), reflect(desc, sent as never)];
  for (const field of desc.fields.filter(({ name }) => replaced.has(name))) {
    target.clear(field);
    if (source.isSet(field)) target.set(field, source.get(field));
  }
}
