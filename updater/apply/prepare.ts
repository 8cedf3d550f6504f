/**
 * `prepare`: runs before HAProxy starts and writes its first configuration.
 *
 * HAProxy takes servers as up before their first check, and with all of them down it would close connections until the
 * first check has passed. So `prepare` makes the first check itself and hands the result over in the server-state file:
 * HAProxy starts with exactly those servers up that have just passed. Until one has, it waits (for a limited time): as long
 * as HAProxy does not listen, the forward serves.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { renderHaproxyConfig } from "../../haproxy/config";
import { formatBackend, parseBackends, type Backend } from "../../haproxy/model";
import { renderServerState } from "../../haproxy/server-state";
import { firstSlots, planSlots } from "../../haproxy/slots";
import { checkWith } from "./check-config";
import { CheckToken } from "./check-token";
import { removeLeftovers, writeFileAtomically } from "./atomic-file";
import type { Trust } from "../sources/http";
import { backendsOf, readLastGood, saveLastGood, type LastGood } from "./last-good";
import type { Log } from "../report/log";
import { probeBackend, type Verdict } from "../sources/probe";
import { readSeed } from "../sources/initial-backends";
import { PREPARE_WAIT_SECONDS, type UpdaterSettings } from "../settings";
import { TokenReader } from "../sources/token";
import { divide, unite } from "../sources/merge-sources";

const PROBE_PAUSE_MS = 500;

/**
 * Writes the server-state file, haproxy.cfg and the last good backends.
 * @throws Error when there is no backend at all, or no CA certificate: HAProxy must not start then.
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
  const checkToken = new CheckToken({ haproxy, token: () => reader.read(), log });
  const verdicts = await firstChecks(settings, start.slots, trust, checkToken.write());
  const up = (pool: keyof Verdict, slot: number): boolean => verdicts[slot]?.[pool] ?? false;
  writeFileAtomically(haproxy.stateFile, renderServerState(start.slots, up));
  writeFileAtomically(configFile, renderHaproxyConfig(haproxy, start.slots), {
    check: checkWith(settings.checkCommand, { log }),
  });
  saveLastGood(lastGoodFile, start);
  log.info("prepared", {
    file: configFile,
    backends: describe(start.slots, () => true),
    ready: describe(start.slots, (slot) => up("ready", slot)),
    alive: describe(start.slots, (slot) => up("alive", slot)),
  });
}

/** The CA certificate and the name to verify. @throws Error when the certificate is missing. */
export function readTrust(settings: UpdaterSettings): Trust {
  return { ca: readFileSync(settings.apiCaFile, "utf8"), serverName: settings.apiServerName };
}

/**
 * The newer of the mounted ConfigMap and the last good set; slots stay where they were.
 * Kubelet's volume is written again when the ConfigMap changes, so whichever was written later knows the later change.
 * What the EndpointSlice alone knows is not lost by that: no ConfigMap can know better.
 * @throws Error when neither has a backend.
 */
export function chooseStart(settings: UpdaterSettings, log: Log): LastGood {
  const lastGood = readLastGood(settings.lastGoodFile);
  const seed = readSeed(settings.seedDir);
  const parsed = parseBackends(seed?.data ?? {});
  for (const { key, value, reason } of parsed.refused) {
    log.warn("refused an entry of the mounted ConfigMap", { key, value, reason });
  }
  const useSeed =
    parsed.backends.length > 0 &&
    (lastGood === undefined || (seed?.writtenAtMs ?? 0) > lastGood.savedAtMs);
  if (useSeed) {
    const known = backendsOf(lastGood?.slots ?? []);
    const { members } = divide(settings.discovery, known, lastGood?.savedAtMs ?? 0);
    const { backends } = unite(parsed.backends, members);
    const slots =
      lastGood === undefined ? firstSlots(backends) : planSlots(lastGood.slots, backends).slots;
    return { savedAtMs: seed?.writtenAtMs ?? 0, revision: "", slots };
  }
  if (lastGood !== undefined) return lastGood;
  throw new Error(
    `no backend to start with: ${settings.seedDir} (ConfigMap ${settings.namespace}/${settings.configMap}) has ` +
      `${Object.keys(seed?.data ?? {}).length} entries and none is valid, and there is no last good set in ` +
      `${settings.lastGoodFile}. Add one, e.g. kubectl -n ${settings.namespace} patch configmap ${settings.configMap} ` +
      `--type merge -p '{"data":{"m1":"10.0.0.11:6443"}}'`,
  );
}

/** Asks all backends again and again until one is ready, at most for the configured time. */
async function firstChecks(
  settings: UpdaterSettings,
  slots: readonly (Backend | undefined)[],
  trust: Trust,
  token: string | undefined,
): Promise<(Verdict | undefined)[]> {
  const waitMs = 1000 * (settings.prepareWaitSeconds ?? PREPARE_WAIT_SECONDS);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const verdicts = await Promise.all(
      slots.map(async (backend) =>
        backend === undefined ? undefined : await probeBackend(backend, trust, token),
      ),
    );
    if (verdicts.some((verdict) => verdict?.ready) || performance.now() >= deadline)
      return verdicts;
    await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
  }
}

function describe(
  slots: readonly (Backend | undefined)[],
  wanted: (slot: number) => boolean,
): string[] {
  return backendsOf(slots.filter((_, slot) => wanted(slot))).map(
    (backend) => `${backend.name}=${formatBackend(backend)}`,
  );
}
