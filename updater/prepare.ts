/**
 * `prepare`: writes HAProxy's first configuration, before HAProxy starts.
 *
 * HAProxy takes servers as up before their first check; with all of them down it would close
 * connections until the first check passes. So `prepare` makes the first check itself and writes
 * the result into the server-state file. Until a backend is ready, it waits for a limited time: as
 * long as HAProxy does not listen, the forward serves.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { renderHaproxyConfig, type Pool } from "../haproxy/config";
import { formatBackend, parseBackends, type Backend } from "../haproxy/model";
import { renderServerState } from "../haproxy/server-state";
import { firstSlots, planSlots } from "../haproxy/slots";
import { removeLeftovers, writeFileAtomically } from "./apply/atomic-file";
import { checkWith } from "./apply/check-config";
import { CheckToken } from "./apply/check-token";
import { backendsOf, readLastGood, saveLastGood, type LastGood } from "./apply/last-good";
import type { Context } from "./context";
import { readTrust, type Trust } from "./http";
import type { Log } from "./report/log";
import { Metrics } from "./report/metrics";
import { Reporter } from "./report/reporter";
import type { UpdaterSettings } from "./settings";
import { readInitialBackends } from "./sources/initial-backends";
import { mergeSources, splitBySource } from "./sources/merge-sources";
import { probeBackend, type ProbeResult } from "./sources/probe";
import { TokenReader } from "./sources/token";

const PROBE_PAUSE_MS = 500;

/** Default of the setting `prepareWaitSeconds`. */
const WAIT_SECONDS = 10;

/**
 * Writes the server-state file, haproxy.cfg and the last good backends.
 * @throws Error when there is no backend or no CA certificate: HAProxy must not start then
 */
export async function prepare(settings: UpdaterSettings, log: Log): Promise<void> {
  const trust = readTrust(settings);
  const { haproxy, configFile, lastGoodFile } = settings;
  for (const file of [configFile, lastGoodFile, haproxy.stateFile, haproxy.adminSocket]) {
    mkdirSync(dirname(file), { recursive: true });
  }
  for (const file of [configFile, lastGoodFile, haproxy.stateFile]) removeLeftovers(file);
  const start = chooseStart(settings, log);
  const reader = new TokenReader(settings);
  const context = contextOf(settings, log);
  const checkToken = new CheckToken(context, () => reader.read());
  const results = await firstChecks(settings, start.slots, trust, checkToken.write());
  const up = (pool: Pool, slot: number): boolean => results[slot]?.[pool] ?? false;
  writeFileAtomically(haproxy.stateFile, renderServerState(start.slots, up));
  writeFileAtomically(configFile, renderHaproxyConfig(haproxy, start.slots), {
    check: checkWith(settings.checkCommand, context),
  });
  saveLastGood(lastGoodFile, start);
  log.info("prepared", {
    file: configFile,
    backends: describe(start.slots, () => true),
    ready: describe(start.slots, (slot) => up("ready", slot)),
    alive: describe(start.slots, (slot) => up("alive", slot)),
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
  const initial = readInitialBackends(initialBackendsDir);
  const parsed = parseBackends(initial?.data ?? {});
  for (const { key, value, reason } of parsed.refused) {
    log.warn("refused an initial backend", { key, value, reason });
  }
  const useInitial =
    parsed.backends.length > 0 &&
    (lastGood === undefined || (initial?.writtenAtMs ?? 0) > lastGood.savedAtMs);
  if (useInitial) {
    const known = backendsOf(lastGood?.slots ?? []);
    const { members } = splitBySource(settings.discovery, known, lastGood?.savedAtMs ?? 0);
    const { backends } = mergeSources(parsed.backends, members);
    const slots =
      lastGood === undefined ? firstSlots(backends) : planSlots(lastGood.slots, backends).slots;
    return { savedAtMs: initial?.writtenAtMs ?? 0, revision: "", slots };
  }
  if (lastGood !== undefined) return lastGood;
  throw new Error(
    `no backend to start with: ${initialBackendsDir} (ConfigMap ${namespace}/${configMap}) has ` +
      `${Object.keys(initial?.data ?? {}).length} entries, none of them valid, and ${lastGoodFile} ` +
      `has no last good backends. Add one, e.g. kubectl -n ${namespace} patch configmap ${configMap} ` +
      `--type merge -p '{"data":{"m1":"10.0.0.11:6443"}}'`,
  );
}

/** Probes all backends until one is ready, at most for the configured time. */
async function firstChecks(
  settings: UpdaterSettings,
  slots: readonly (Backend | undefined)[],
  trust: Trust,
  token: string | undefined,
): Promise<(ProbeResult | undefined)[]> {
  const waitMs = 1000 * (settings.prepareWaitSeconds ?? WAIT_SECONDS);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const results = await Promise.all(
      slots.map(async (backend) =>
        backend === undefined ? undefined : await probeBackend(backend, trust, token),
      ),
    );
    if (results.some((result) => result?.ready) || performance.now() >= deadline) return results;
    await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
  }
}

function describe(
  slots: readonly (Backend | undefined)[],
  isIncluded: (slot: number) => boolean,
): string[] {
  return backendsOf(slots.filter((_, slot) => isIncluded(slot))).map(
    (backend) => `${backend.name}=${formatBackend(backend)}`,
  );
}
