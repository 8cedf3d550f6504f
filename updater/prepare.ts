/**
 * `prepare`: writes HAProxy's first configuration, before HAProxy starts.
 *
 * HAProxy takes servers as up before their first check; with all of them down it would close
 * connections until the first check passes. So `prepare` makes the first check itself and writes
 * the result into the server-state file. Until a backend is ready, it waits: as long as HAProxy does
 * not listen, the forward serves.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { renderHaproxyConfig, type Pool } from "../haproxy/config";
import { missingRoot } from "../haproxy/ca";
import { formatBackend, type Backend } from "../haproxy/model";
import { renderServerState } from "../haproxy/server-state";
import { firstSlots, planSlots, withLeaving } from "../haproxy/slots";
import { removeLeftovers, writeFileAtomically } from "./apply/atomic-file";
import { checkWith } from "./apply/check-config";
import { CheckToken } from "./apply/check-token";
import { CurrentSpec } from "./apply/current-spec";
import { backendsOf, readLastGood, saveLastGood, type LastGood } from "./apply/last-good";
import type { Context } from "./context";
import { readTrust } from "./http";
import type { Log } from "./report/log";
import { Metrics } from "./report/metrics";
import { Reporter } from "./report/reporter";
import type { UpdaterSettings } from "./settings";
import { initialBackends } from "./sources/initial-backends";
import { mergeSources, splitBySource } from "./sources/merge-sources";
import { accepts, probeBackend, type ProbeResult } from "./sources/probe";
import { TokenReader } from "./sources/token";

const PROBE_PAUSE_MS = 500;

/** Default of the setting `prepareWaitSeconds`. */
const WAIT_SECONDS = 10;

/**
 * Writes the server-state file, haproxy.cfg and the last good backends.
 * @throws Error when there is no backend or no CA certificate: HAProxy must not start then
 */
export async function prepare(settings: UpdaterSettings, log: Log): Promise<void> {
  readTrust(settings);
  const { haproxy, configFile, lastGoodFile } = settings;
  for (const file of [configFile, lastGoodFile, haproxy.stateFile, haproxy.adminSocket]) {
    mkdirSync(dirname(file), { recursive: true });
  }
  for (const file of [configFile, lastGoodFile, haproxy.stateFile]) removeLeftovers(file);
  const reader = new TokenReader(settings);
  const context = contextOf(settings, log);
  const checkToken = new CheckToken(context, () => reader.read());
  const { start, results } = await waitForBackend(settings, log, () => checkToken.write());
  const slots = withLeaving(start.slots, start.leaving);
  const up = (pool: Pool, slot: number): boolean => results[slot]?.[pool] ?? false;
  writeFileAtomically(haproxy.stateFile, renderServerState(slots, up));
  writeFileAtomically(configFile, renderHaproxyConfig(new CurrentSpec(settings).get(), slots), {
    check: checkWith(settings.checkCommand, context),
  });
  saveLastGood(lastGoodFile, start);
  log.info("prepared", {
    file: configFile,
    backends: describe(slots, () => true),
    leaving: describe(slots, (slot) => start.leaving.has(slot)),
    ready: describe(slots, (slot) => up("ready", slot)),
    alive: describe(slots, (slot) => up("alive", slot)),
  });
}

/** Problems go to the log alone: no API server may be known yet. */
function contextOf(settings: UpdaterSettings, log: Log): Context {
  const metrics = new Metrics();
  const now = (): number => performance.now();
  return { settings, log, metrics, now, report: new Reporter({ log, metrics }) };
}

/**
 * The newer of the initial backends and the last good set; backends keep their slots.
 * Kubelet rewrites the volume when the ConfigMap changes, so the later file has the later change.
 * Members of the EndpointSlice stay in either case: the ConfigMap need not name them.
 * @throws Error when neither has a backend
 */
export function chooseStart(settings: UpdaterSettings, log: Log): LastGood {
  const { initialBackendsDir, lastGoodFile, namespace, configMap } = settings;
  const lastGood = readLastGood(lastGoodFile);
  const initial = initialBackends(settings);
  for (const { key, value, reason } of initial.refused) {
    log.warn("refused an initial backend", { key, value, reason });
  }
  const useInitial =
    initial.backends.length > 0 &&
    (lastGood === undefined || initial.writtenAtMs > lastGood.savedAtMs);
  if (useInitial) {
    const known = backendsOf(lastGood?.slots ?? []);
    const { members } = splitBySource(settings.discovery, known, lastGood?.savedAtMs ?? 0);
    const { backends } = mergeSources(initial.backends, members);
    // The former backends serve on, until the new ones have answered.
    const { leaving = new Map(), answered = [] } = lastGood ?? {};
    const before = lastGood?.slots ?? firstSlots([]);
    const plan = planSlots(before, backends, undefined, { leaving, mayServe: () => true });
    const savedAtMs = initial.writtenAtMs;
    return { savedAtMs, revision: "", slots: plan.slots, leaving: plan.leaving, answered };
  }
  if (lastGood !== undefined) return lastGood;
  throw new Error(
    `no backend to start with: ${initialBackendsDir} (ConfigMap ${namespace}/${configMap}) has ` +
      `${initial.entries} entries, none of them valid, and ${lastGoodFile} ` +
      `has no last good backends. Add one, e.g. kubectl -n ${namespace} patch configmap ${configMap} ` +
      `--type merge -p '{"data":{"m1":"10.0.0.11:6443"}}'`,
  );
}

/** What HAProxy starts with, and the results of its first checks by slot. */
interface Start {
  readonly start: LastGood;
  readonly results: readonly (ProbeResult | undefined)[];
}

/**
 * Probes all backends until one is ready. After the configured time those count that are alive.
 * While none is, the forward serves, if this host's own API server accepts connections; otherwise
 * any backend that accepts them is better than nobody.
 */
async function waitForBackend(
  settings: UpdaterSettings,
  log: Log,
  readToken: () => string | undefined,
): Promise<Start> {
  const waitMs = 1000 * (settings.prepareWaitSeconds ?? WAIT_SECONDS);
  const deadline = performance.now() + waitMs;
  const own = { address: settings.localAddress, port: settings.apiPort };
  let isLogged = false;
  for (let start = chooseStart(settings, log); ; start = chooseStart(settings, SILENT)) {
    // Kubelet renews backends, CA certificates and token meanwhile.
    const [trust, token] = [readTrust(settings), readToken()];
    const results = await Promise.all(
      withLeaving(start.slots, start.leaving).map(async (backend) =>
        backend === undefined ? undefined : await probeBackend(backend, trust, token),
      ),
    );
    const some = (pool: Pool): boolean => results.some((result) => result?.[pool]);
    const isOver = performance.now() >= deadline;
    const isFit = waitMs === 0 || some("alive") || (some("reachable") && !(await accepts(own)));
    if (some("ready") || (isOver && isFit)) {
      return { start: withoutLeaving(start, results), results };
    }
    if (isOver && !isLogged) {
      const reason = missingRoot(trust.ca);
      log.warn("no backend answers: the forward serves until one does", {
        backends: describe(start.slots, () => true),
        ...(reason === undefined ? {} : { reason: `${reason} to ${settings.apiCaFile}` }),
      });
      isLogged = true;
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
  }
}

/** Nobody serves on where a desired backend answers. */
function withoutLeaving(start: LastGood, results: Start["results"]): LastGood {
  const isAnswered = start.slots.some(
    (backend, slot) => backend !== undefined && (results[slot]?.ready || results[slot]?.alive),
  );
  return isAnswered ? { ...start, leaving: new Map() } : start;
}

/** The same refusals were logged at the start. */
const SILENT: Log = { info: () => undefined, warn: () => undefined };

function describe(
  slots: readonly (Backend | undefined)[],
  isIncluded: (slot: number) => boolean,
): string[] {
  return backendsOf(slots.filter((_, slot) => isIncluded(slot))).map(
    (backend) => `${backend.name}=${formatBackend(backend)}`,
  );
}
