import { posix } from "node:path";

/** What we add to a KubeadmConfigSpec. */
export interface KubeadmConfigAddition {
  readonly files: readonly { readonly path: string }[];
  readonly preKubeadmCommands: readonly string[];
  readonly postKubeadmCommands: readonly string[];
}

/** Where our commands stand: before the user's, or after them. */
export const COMMAND_PLACES = ["before", "after"] as const;
export type CommandPlace = (typeof COMMAND_PLACES)[number];

/** A KubeadmConfigSpec of Cluster API, v1beta1 or v1beta2. */
export type KubeadmConfigSpec = Readonly<Record<string, unknown>>;

/**
 * The user's KubeadmConfigSpec with our files and commands. The user's entries keep their order and
 * their text; cloud-init writes all files before it runs a command.
 *
 * @throws Error that names the field: a path that we write too, or no list where one is expected
 */
export function mergeKubeadmConfigSpec(
  users: KubeadmConfigSpec,
  ours: KubeadmConfigAddition,
  place: CommandPlace,
): KubeadmConfigSpec {
  const problems = mergeProblems(users, ours);
  if (problems.length > 0) {
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  }
  const join = (key: keyof KubeadmConfigAddition): Record<string, unknown> => {
    const [theirs, added] = [listAt(users, key) ?? [], ours[key]];
    const all = place === "before" ? [...added, ...theirs] : [...theirs, ...added];
    // the API takes no empty list
    return all.length === 0 ? {} : { [key]: all };
  };
  return {
    ...users,
    ...join("files"),
    ...join("preKubeadmCommands"),
    ...join("postKubeadmCommands"),
  };
}

/** Why the two cannot be one, by the path of the user's field. */
export function mergeProblems(
  users: KubeadmConfigSpec,
  ours: KubeadmConfigAddition,
): { readonly path: string; readonly message: string }[] {
  const wrong = (["files", "preKubeadmCommands", "postKubeadmCommands"] as const)
    .filter((key) => listAt(users, key) === undefined)
    .map((key) => ({ path: key, message: "is no list" }));
  const taken = new Set(ours.files.map(({ path }) => path));
  const conflicts = (listAt(users, "files") ?? []).flatMap((file, index) => {
    const path = (file as { path?: unknown } | null)?.path;
    if (typeof path !== "string" || !taken.has(posix.normalize(path))) return [];
    return [{ path: `files[${index}].path`, message: `${path} is a file of ours: leave it out` }];
  });
  return [...wrong, ...conflicts];
}

/** The list, empty where there is none; undefined where something else stands. */
function listAt(spec: KubeadmConfigSpec, key: string): readonly unknown[] | undefined {
  const value = spec[key] ?? [];
  return Array.isArray(value) ? value : undefined;
}
