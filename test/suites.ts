import { haproxyBinaries, Lab, makeParts } from "../lab/src/index";
import { ensureCommands } from "../lab/src/packages";
import { ensurePulumiHome } from "../pulumi-test-utils/src/index";

type Log = (line: string) => void;

/** One step of `npm test`: a command that passes or fails as a whole, or mocha over a folder. */
export interface Suite {
  readonly name: string;
  /** A command line of an npm package; absent for mocha suites. */
  readonly command?: readonly string[];
  /** Files of a mocha suite, as a glob. */
  readonly files?: string;
  /** Why this machine cannot run the suite, or undefined if it can. */
  readonly impossible?: () => string | undefined;
  /** Makes what the tests need, so that no test's deadline includes a build. */
  readonly prepare?: (log: Log) => Promise<void>;
  /** Removes what the suite leaves behind when its process is ended from outside. */
  readonly cleanUp?: (log: Log) => Promise<void>;
  /** Waits more than it computes: runs beside the suites that follow. */
  readonly beside?: boolean;
  /** Has a load that must not be disturbed: begins when all others have ended. */
  readonly alone?: boolean;
  /** A suite that takes longer than this is stopped and has failed. */
  readonly minutes: number;
}

const needsRoot = () =>
  process.getuid?.() === 0 ? undefined : "needs root (network namespaces, systemd-nspawn)";

/** The labs that specs of the lab make. */
const TEST_LABS = ["cluster-test", "external-test", "refusals-test", "spec-machines", "spec-other"];

async function prepareHaproxy(log: Log): Promise<void> {
  await ensureCommands(log, ["openssl", "socat", "mmdebstrap", "ip", "nft"]);
  await ensureCommands(log, ["unshare", "perl", "busybox"]);
  haproxyBinaries();
}

/** All suites. Those that wait most beside the others come first, then the quick ones. */
export const SUITES: readonly Suite[] = [
  {
    name: "haproxy",
    files: "test/haproxy/!(updater|discovery|mounted).spec.ts",
    impossible: needsRoot,
    prepare: prepareHaproxy,
    beside: true,
    minutes: 20,
  },
  {
    name: "updater",
    files: "test/haproxy/@(updater|discovery|mounted).spec.ts",
    impossible: needsRoot,
    prepare: prepareHaproxy,
    beside: true,
    minutes: 20,
  },
  { name: "format", command: ["prettier", "--check", "."], minutes: 5 },
  { name: "lint", command: ["eslint", "."], minutes: 10 },
  { name: "types", command: ["tsc", "--noEmit"], minutes: 10 },
  {
    name: "unit",
    files: "test/unit/**/*.spec.ts",
    prepare: (log) => ensureCommands(log, ["shellcheck", "openssl"]),
    minutes: 10,
  },
  { name: "components", files: "test/components/**/*.spec.ts", minutes: 10 },
  {
    name: "host",
    files: "test/{host,host-kubeadm}/**/*.spec.ts",
    impossible: needsRoot,
    prepare: (log) =>
      ensureCommands(log, [
        "haproxy",
        "socat",
        "nft",
        "iptables",
        "ip",
        "conntrack",
        "curl",
        "openssl",
      ]),
    minutes: 20,
  },
  {
    name: "utils",
    files: "test/utils/**/*.spec.ts",
    prepare: async (log) => void (await ensurePulumiHome(log)),
    minutes: 15,
  },
  {
    name: "topology",
    files: "test/engine/topology.spec.ts",
    prepare: async (log) => void (await ensurePulumiHome(log)),
    beside: true,
    minutes: 15,
  },
  {
    name: "engine",
    files: "test/engine/!(topology).spec.ts",
    prepare: async (log) => void (await ensurePulumiHome(log)),
    minutes: 15,
  },
  {
    name: "lab",
    files: "test/lab/**/*.spec.ts",
    impossible: needsRoot,
    prepare: async (log) => {
      await makeParts(log);
      await ensurePulumiHome(log);
    },
    cleanUp: async (log) => {
      for (const name of TEST_LABS) await Lab.remove(name, log);
    },
    alone: true,
    minutes: 40,
  },
];
