import { haproxyBinaries, Lab, makeParts } from "../lab/src/index";
import { ensureCommands } from "../lab/src/packages";
import { ensurePulumiHome } from "../pulumi-test-utils/src/index";

type Log = (line: string) => void;

/** One part of `npm test`: a command that passes or fails as a whole, or mocha over a folder. */
export interface Suite {
  readonly name: string;
  /** Command of an npm package and its arguments; absent for mocha suites. */
  readonly command?: readonly string[];
  /** Files of a mocha suite, as a glob. */
  readonly files?: string;
  /** The reason why this machine cannot run the suite; undefined if it can. */
  readonly impossible?: () => string | undefined;
  /** Builds what the tests need, so that no test's time limit includes a build. */
  readonly prepare?: (log: Log) => Promise<void>;
  /** Removes what the suite leaves behind when its process is killed. */
  readonly cleanUp?: (log: Log) => Promise<void>;
  /** Must run alone because it measures a load: starts when all parallel suites have ended. */
  readonly exclusive?: boolean;
  /** Time limit: a suite that takes longer is killed and fails. */
  readonly minutes: number;
}

const needsRoot = () =>
  process.getuid?.() === 0 ? undefined : "needs root (network namespaces, systemd-nspawn)";

const pulumiHome = async (log: Log) => void (await ensurePulumiHome(log));

/** For suites that start labs: what they need, and the labs to remove when the suite is killed. */
const onLabs = (names: readonly string[]): Partial<Suite> => ({
  impossible: needsRoot,
  prepare: async (log) => {
    await makeParts(log);
    await pulumiHome(log);
  },
  cleanUp: async (log) => {
    for (const name of names) await Lab.remove(name, log);
  },
});

const HOST_COMMANDS = [
  ...["haproxy", "keepalived", "socat", "nft", "iptables", "ip", "conntrack", "curl", "openssl"],
];

async function prepareHaproxy(log: Log): Promise<void> {
  await ensureCommands(log, ["openssl", "socat", "mmdebstrap", "ip", "nft"]);
  await ensureCommands(log, ["unshare", "perl", "busybox"]);
  haproxyBinaries();
}

/** All suites. Of the parallel ones the longest come first. */
export const SUITES: readonly Suite[] = [
  {
    name: "parts",
    files: "test/host/@(parts|holders|instances).spec.ts",
    impossible: needsRoot,
    prepare: (log) => ensureCommands(log, HOST_COMMANDS),
    minutes: 20,
  },
  {
    name: "haproxy",
    files: "test/haproxy/!(updater|discovery|mounted|wrong-*).spec.ts",
    impossible: needsRoot,
    prepare: prepareHaproxy,
    minutes: 20,
  },
  {
    name: "updater",
    files: "test/haproxy/@(updater|discovery|wrong-*).spec.ts",
    impossible: needsRoot,
    prepare: prepareHaproxy,
    minutes: 20,
  },
  {
    name: "host",
    files: "test/host/**/!(parts|holders|instances).spec.ts",
    impossible: needsRoot,
    prepare: (log) => ensureCommands(log, HOST_COMMANDS),
    minutes: 20,
  },
  {
    name: "engine",
    files: "test/engine/!(topology).spec.ts",
    prepare: pulumiHome,
    minutes: 15,
  },
  {
    name: "mounted",
    files: "test/haproxy/mounted.spec.ts",
    impossible: needsRoot,
    prepare: prepareHaproxy,
    minutes: 20,
  },
  { name: "utils", files: "test/utils/**/*.spec.ts", prepare: pulumiHome, minutes: 15 },
  { name: "topology", files: "test/engine/topology.spec.ts", prepare: pulumiHome, minutes: 15 },
  {
    name: "machines",
    files: "test/lab/@(machines|refusals).spec.ts",
    ...onLabs(["refusals-test", "spec-machines", "spec-other"]),
    minutes: 15,
  },
  {
    name: "unit",
    files: "test/unit/**/*.spec.ts",
    prepare: (log) => ensureCommands(log, ["shellcheck", "openssl"]),
    minutes: 10,
  },
  { name: "lint", command: ["eslint", "."], minutes: 10 },
  { name: "prose", files: "test/prose/**/*.spec.ts", minutes: 5 },
  { name: "components", files: "test/components/**/*.spec.ts", minutes: 10 },
  { name: "format", command: ["prettier", "--check", "."], minutes: 5 },
  { name: "types", command: ["tsc", "--noEmit"], minutes: 10 },
  {
    name: "lab",
    files: "test/lab/!(machines|refusals).spec.ts",
    ...onLabs(["cluster-test", "external-test"]),
    exclusive: true,
    minutes: 40,
  },
];
