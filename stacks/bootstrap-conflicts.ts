import { clusterApiConflicts } from "./cluster-api-conflicts";
import { validateFragments } from "../host/kubeadm/validate-fragments";
import { FIRST_BOOT_DIR } from "../host/user-data/runner";
import { show, type ValidationError } from "./validation";
import type { Parsed } from "./schema";

type Known = Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">;

/** Keys that the way in which the cluster comes to be does not use, or lacks. */
export function bootstrapConflicts(settings: Known): ValidationError[] {
  const unused = settings.bootstrap !== "clusterApi" && settings.clusterApi !== undefined;
  return [
    ...(unused
      ? [{ path: "clusterApi", message: "has no effect without bootstrap clusterApi" }]
      : []),
    ...ofBootstrap(settings),
    ...userConfigConflicts(settings),
  ];
}

function ofBootstrap(settings: Known): ValidationError[] {
  switch (settings.bootstrap) {
    case "clusterApi":
      return [...loginConflicts(settings), ...clusterApiConflicts(settings)];
    case "none":
      return existingConflicts(settings);
    case "cloudInit":
      return [...cloudInitConflicts(settings), ...fragmentConflicts(settings)];
    case "kubeadm":
      return [...kubeadmConflicts(settings), ...fragmentConflicts(settings)];
    case undefined:
      return fragmentConflicts(settings);
  }
}

function existingConflicts({ kubeadm, kubeconfig, clusterName }: Known): ValidationError[] {
  const unused = Object.entries(kubeadm ?? {})
    .filter(([, value]) => !isUnset(value))
    .map(([key]) => `kubeadm.${key}`);
  if (clusterName !== undefined) unused.push("clusterName");
  return [
    ...(kubeconfig === undefined
      ? [
          {
            path: "kubeconfig",
            message:
              "missing: bootstrap none needs the kubeconfig of the cluster: run `pulumi config set --secret kubeconfig < FILE`",
          },
        ]
      : []),
    ...unused.map((path) => ({
      path,
      message: "has no effect with bootstrap none: leave it out",
    })),
  ];
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

function kubeadmConflicts({ kubeconfig }: Known): ValidationError[] {
  if (kubeconfig === undefined) return [];
  return [
    {
      path: "kubeconfig",
      message:
        "set, but bootstrap kubeadm takes the kubeconfig from the init node: leave it out, or set bootstrap to none for a cluster that exists",
    },
  ];
}

/** Keys of a machine that say how the program logs in to it, or what runs there then. */
const OF_LOGINS = {
  sshHost: undefined,
  sshPort: undefined,
  hostKey: undefined,
  hostKeyFile: undefined,
  generation: 1,
  away: false,
} as const;

/** With user data nobody logs in to a machine. */
function cloudInitConflicts(settings: Known): ValidationError[] {
  const { topology, ssh, kubeadm, token, loadBalancers } = settings;
  const fetched = topology === "external" && Object.keys(loadBalancers).length === 0;
  const reset = "nobody logs in to reset a node; run `kubeadm reset` there yourself";
  return [
    ...(ssh === undefined ? [] : [noEffect("ssh", "no machine is logged in to")]),
    ...(kubeadm?.resetOnDestroy === true ? [noEffect("kubeadm.resetOnDestroy", reset)] : []),
    ...(fetched && token?.delivery === "file"
      ? [
          {
            path: "token.delivery",
            message:
              "file is not possible with bootstrap cloudInit on control-plane nodes, which fetch the token themselves: set environment",
          },
        ]
      : []),
    ...loginConflicts(settings),
  ];
}

/** Keys of #cloud-config whose lists we add to. */
const LISTS = ["write_files", "runcmd"] as const;

function userConfigConflicts({ bootstrap, cloudInit, loadBalancers }: Known): ValidationError[] {
  const config = cloudInit?.userConfig ?? {};
  const at = (key: string, message: string) => [{ path: `cloudInit.userConfig${key}`, message }];
  // Cluster API makes the user data of control-plane nodes
  const ours = bootstrap === "clusterApi" && Object.keys(loadBalancers).length > 0;
  if (bootstrap !== "cloudInit" && !ours) {
    if (bootstrap === undefined || Object.keys(config).length === 0) return [];
    return at("", `has no effect with bootstrap ${bootstrap}: leave it out`);
  }
  return [
    ...("hostname" in config
      ? at(".hostname", "is the machine's name in nodes or loadBalancers: leave it out")
      : []),
    ...LISTS.flatMap((key) => {
      const list = config[key];
      if (list === undefined || Array.isArray(list)) return [];
      return at(`.${key}`, `got ${show("", list)}, expected a list, to which ours is added`);
    }),
    ...pathsOf(config["write_files"]).flatMap((file, index) =>
      file.startsWith(`${FIRST_BOOT_DIR}/`)
        ? at(`.write_files[${index}].path`, `${file} is in a folder of the program: choose another`)
        : [],
    ),
  ];
}

function pathsOf(files: unknown): string[] {
  if (!Array.isArray(files)) return [];
  return files.map((file: unknown) => String((file as { path?: unknown } | null)?.path));
}

/** Keys of machines to which nobody logs in. */
function loginConflicts({ bootstrap, nodes, loadBalancers }: Known): ValidationError[] {
  return Object.entries({ nodes, loadBalancers }).flatMap(([key, machines]) =>
    Object.entries(machines).flatMap(([name, machine]) =>
      Object.entries(OF_LOGINS)
        .filter(([field, unset]) => machine[field as keyof typeof OF_LOGINS] !== unset)
        .map(([field]) =>
          noEffect(`${key}.${name}.${field}`, "no machine is logged in to", bootstrap),
        ),
    ),
  );
}

function noEffect(path: string, why: string, bootstrap = "cloudInit"): ValidationError {
  return { path, message: `has no effect with bootstrap ${bootstrap}, as ${why}: leave it out` };
}

function fragmentConflicts({ kubeadm }: Known): ValidationError[] {
  return validateFragments((kubeadm ?? {}) as Parameters<typeof validateFragments>[0]).map(
    ({ path, message }) => ({ path: `kubeadm.${path}`, message }),
  );
}
