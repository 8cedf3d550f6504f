import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cached, cachedPath, removeTree } from "./cache";
import { withProgress, type Log } from "./log";
import { fingerprint, goModule } from "./paths";
import { run } from "./process";

/** Kubernetes release that the lab runs. */
export const KUBERNETES_VERSION = "1.35.4";

/** Pulumi release that tests and demo run where no newer one is installed. */
export const PULUMI_VERSION = "3.259.0";

/** One Go module in `modules/`, and the programs that are built from it. */
export type ProgramName = "pulumi" | "kubernetes" | "etcd" | "cluster-api";

interface Recipe {
  readonly packages: readonly string[];
  /**
   * Names of the binaries, one for each package, or one for the only package.
   * @default the names of the packages' folders
   */
  readonly output?: string | readonly string[];
  readonly flags: readonly string[];
  /** Files of a module that are kept beside the binaries, below the same paths. */
  readonly files?: { readonly module: string; readonly paths: readonly string[] };
  /** Duration of a build with empty caches on 2 cores, for the progress line. */
  readonly cold: string;
}

const kubernetesVersionFlags = [
  ["gitVersion", `v${KUBERNETES_VERSION}`],
  ["gitMajor", KUBERNETES_VERSION.split(".")[0]],
  ["gitMinor", KUBERNETES_VERSION.split(".")[1]],
  ["gitTreeState", "clean"],
].map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);

const RECIPES: Readonly<Record<ProgramName, Recipe>> = {
  etcd: {
    packages: ["go.etcd.io/etcd/server/v3"],
    output: "etcd",
    flags: ["-ldflags", "-s -w"],
    cold: "1-2 minutes",
  },
  pulumi: {
    packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
    flags: [
      "-tags",
      "osusergo,grpcnotrace",
      "-ldflags",
      `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`,
    ],
    cold: "5-6 minutes",
  },
  kubernetes: {
    packages: [
      "kubeadm",
      "kubelet",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubectl",
      "kube-proxy",
    ].map((name) => `k8s.io/kubernetes/cmd/${name}`),
    flags: ["-ldflags", ["-s -w", ...kubernetesVersionFlags].join(" ")],
    cold: "7-12 minutes",
  },
  "cluster-api": {
    packages: ["core", "bootstrap/kubeadm", "controlplane/kubeadm"].map(
      (folder) => `sigs.k8s.io/cluster-api/${folder}`,
    ),
    output: ["core-manager", "bootstrap-manager", "control-plane-manager"],
    flags: ["-ldflags", "-s -w"],
    files: {
      module: "sigs.k8s.io/cluster-api",
      paths: ["core", "bootstrap/kubeadm", "controlplane/kubeadm"].flatMap((folder) => [
        `${folder}/config/crd/bases`,
        `${folder}/config/webhook`,
      ]),
    },
    cold: "6-8 minutes",
  },
};

/** Fingerprint of the inputs of a build: go.mod, go.sum and flags. */
export function programKey(name: ProgramName): string {
  const module = goModule(name);
  const files = ["go.mod", "go.sum"].map((file) => readFileSync(join(module, file)));
  return fingerprint(...files, JSON.stringify(RECIPES[name]));
}

/**
 * Returns the folder with the binaries of a module and builds them if the cache lacks them. An
 * interrupted build continues where it stopped, because Go's build cache keeps each compiled
 * package.
 *
 * @throws when Go is missing or the build fails; the error ends with the compiler's last lines
 */
export async function buildProgram(name: ProgramName, log: Log): Promise<string> {
  const key = programKey(name);
  if (existsSync(cachedPath(name, key))) return cachedPath(name, key);
  const recipe = RECIPES[name];
  return cached(name, key, log, async (folder) => {
    await run(["go", "version"]).catch((cause: unknown) => {
      throw new Error("Go is missing: install it (https://go.dev/dl) and put it on the PATH", {
        cause,
      });
    });
    let packages = 0;
    let downloads = 0;
    // An interrupted compiler leaves scratch files, which are removed with the unfinished build.
    const scratch = join(folder, ".scratch");
    mkdirSync(scratch);
    const build = (output: string, names: readonly string[]) =>
      run(["go", "build", "-v", "-trimpath", "-o", output, ...recipe.flags, ...names], {
        cwd: goModule(name),
        env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly -buildvcs=false", GOTMPDIR: scratch },
        dieWithParent: true,
        title: `go build of ${name}`,
        onStderrLine: (line) => {
          if (line.startsWith("go: downloading")) downloads += 1;
          else packages += 1;
        },
      });
    await withProgress(
      log,
      `building ${name} from its Go module (${recipe.cold} with empty caches on 2 cores)`,
      async () => {
        for (const [output, names] of builds(recipe)) await build(join(folder, output), names);
      },
      () => `${downloads} modules fetched, ${packages} packages compiled`,
    );
    await copyFiles(name, recipe, folder);
    await removeTree(scratch);
  });
}

/** The calls of `go build`: where the output goes, and of which packages it is made. */
function builds({ packages, output }: Recipe): (readonly [string, readonly string[]])[] {
  if (output === undefined) return [["./", packages]];
  const names = typeof output === "string" ? [output] : output;
  return packages.map((one, position) => [names[position] ?? "", [one]]);
}

async function copyFiles(name: ProgramName, { files }: Recipe, folder: string): Promise<void> {
  if (files === undefined) return;
  const list = ["go", "list", "-m", "-f", "{{.Dir}}", files.module];
  const source = (await run(list, { cwd: goModule(name) })).stdout.trim();
  for (const path of files.paths) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    // Go's module cache is read-only, and a later clean-up must be able to remove the copy
    await run(["cp", "-r", "--no-preserve=mode", join(source, path), target]);
  }
}
