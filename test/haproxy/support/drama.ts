/** One random sequence of changes of ConfigMap, CA certificates, API servers and updater. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  mixed,
  wrongContent,
  type Content,
  type WrongContent,
} from "../../../e2e/sequences/contents";
import { Random } from "../../../e2e/sequences/random";
import { makeCertificates, type Certificates } from "./certificates";
import { DeadServer } from "./dead-server";
import type { Load } from "./load";
import { ownAddress } from "./network";
import { Rig, type Binary } from "./rig";
import { sleep, waitFor } from "./wait";

const NAMES = ["m1", "m2", "m3"] as const;
type Name = (typeof NAMES)[number];

const ACTS = 10;

/** What a sequence has shown. */
export interface Outcome {
  readonly connections: number;
  readonly failures: readonly string[];
  readonly recoveriesMs: readonly number[];
}

type Act = readonly [name: string, play: () => Promise<void>];

/** The same seed gives the same acts; times differ. */
export class Drama {
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #acts: string[] = [];
  readonly #recoveriesMs: number[] = [];
  readonly #loads: Load[] = [];
  /** Accepts connections and never answers: no API server. Undefined: the checks' CA goes wrong. */
  readonly #stranger: DeadServer | undefined;
  /** The CA file of HAProxy's checks and the updater; clients have their own. */
  readonly #caFile: string;
  #trusted: readonly Certificates[];
  /** Certificates of the API servers. */
  #used: Certificates;
  #isCaRight = true;
  #updaterRuns = true;
  /** Those that serve: of the last ConfigMap that names one. */
  #serving: ReadonlySet<Name> = new Set(NAMES);
  readonly #stopped = new Set<Name>();

  private constructor(rig: Rig, random: Random, stranger: DeadServer | undefined) {
    this.#rig = rig;
    this.#random = random;
    this.#stranger = stranger;
    this.#caFile = rig.settings.haproxy.caFile;
    this.#used = rig.certificates;
    this.#trusted = [rig.certificates];
  }

  static async begin(binary: Binary, seed: number): Promise<Drama> {
    const random = new Random(seed);
    const stranger = random.fraction() < 0.5 ? await DeadServer.start("stranger") : undefined;
    const caFile = join(mkdtempSync(join(tmpdir(), "checks-ca-")), "ca.crt");
    const rig = await Rig.create(binary, { caFile, listen: ["${HOST_IP}", ownAddress()] });
    rig.writeSettings({ apiCaFile: caFile });
    const drama = new Drama(rig, random, stranger);
    drama.#writeCa();
    for (const name of NAMES) await rig.addServer(name);
    await rig.startAll(...NAMES);
    return drama;
  }

  /** The acts so far. */
  get script(): string {
    return this.#acts.join("; ");
  }

  async play(): Promise<Outcome> {
    this.#loads.push(this.#rig.load(10), this.#rig.load(10));
    for (let act = 0; act < ACTS; act++) {
      const possible = this.#possible();
      const [name, play] = this.#random.pick(possible);
      this.#acts.push(name);
      await play();
      await sleep(this.#random.below(4) * 150);
    }
    this.#acts.push("all is right");
    await this.#makeRight();
    for (const load of this.#loads) await load.stop();
    return {
      connections: this.#loads.reduce((sum, load) => sum + load.answers.length, 0),
      failures: this.#loads.flatMap((load) => load.failures),
      recoveriesMs: this.#recoveriesMs,
    };
  }

  async end(test: { readonly state?: string } | undefined): Promise<void> {
    this.#stranger?.stop();
    await this.#rig.stop(test);
    rmSync(dirname(this.#caFile), { recursive: true });
  }

  #possible(): Act[] {
    const listening = NAMES.filter((name) => !this.#stopped.has(name));
    const spare = (this.#isCaRight ? listening : []).filter((name) =>
      [...this.#serving].some((it) => it !== name && !this.#stopped.has(it)),
    );
    const some = this.#random.some(NAMES);
    const good = some.some((name) => !this.#stopped.has(name)) ? some : listening;
    const wrong = this.#wrong();
    const beside = this.#wrong();
    return [
      [`the ConfigMap has ${good.join(" ")}`, () => this.#right(good)],
      [
        `the ConfigMap has ${good.join(" ")} and ${beside.title}`,
        () => this.#right(good, beside.data),
      ],
      [`the ConfigMap has ${wrong.title}`, () => this.#put(wrong.data)],
      ["the ConfigMap is empty", () => this.#put({})],
      ["the ConfigMap is deleted", () => this.#put(null)],
      ...(this.#updaterRuns
        ? [["the updater is killed", () => this.#killUpdater()] as Act]
        : [["the updater starts", () => this.#startUpdater()] as Act]),
      ...spare.slice(0, 1).map((name): Act => [`${name} stops`, () => this.#stop(name)]),
      ...(this.#stopped.size > 0 ? [["all start", () => this.#startServers()] as Act] : []),
      ["the CA is rotated", () => this.#rotate()],
      ...(this.#stranger === undefined
        ? [["the checks' CA is another cluster's", () => this.#breakCa()] as Act]
        : []),
    ];
  }

  /** Entries that are no API servers. */
  #wrong(): WrongContent {
    return wrongContent(this.#random, {
      right: this.#rig.data(...NAMES),
      nobody: ["192.0.2.1", "192.0.2.2"],
      strangers: this.#stranger === undefined ? [] : [this.#stranger.address],
      loadBalancers: [`${ownAddress()}:${this.#rig.port}`],
    });
  }

  async #put(data: Content | null): Promise<void> {
    await this.#rig.setConfigMap(data);
    this.#rig.writeInitialBackends(data ?? {});
  }

  /** A ConfigMap with API servers; others stop to serve only when one of these does. */
  async #right(names: readonly Name[], more: Content = {}): Promise<void> {
    await this.#put(mixed(this.#rig.data(...names), more, this.#rig.data(...NAMES)));
    const began = performance.now();
    if (this.#updaterRuns && this.#isCaRight) await this.#served(names, began);
    else this.#serving = new Set([...this.#serving].filter((name) => names.includes(name)));
    if (this.#serving.size === 0) await this.#makeRight();
  }

  /** Waits until HAProxy has these as backends, and no others. */
  async #served(names: readonly Name[], began: number): Promise<void> {
    const up = names.filter((name) => !this.#stopped.has(name));
    await waitFor(`${up.join(" ")} ready`, async () => {
      const { backends } = await this.#rig.status();
      const ready = backends.filter(({ state }) => state === "ready");
      const seen = ready.map(({ name }) => name).sort();
      if (seen.join() !== up.join()) throw new Error(JSON.stringify(backends));
      return true;
    });
    this.#recoveriesMs.push(performance.now() - began);
    this.#serving = new Set(names);
  }

  async #makeRight(): Promise<void> {
    await this.#startServers();
    if (!this.#isCaRight) this.#repairCa();
    if (!this.#updaterRuns) await this.#startUpdater();
    await this.#put(this.#rig.data(...NAMES));
    await this.#served(NAMES, performance.now());
  }

  async #killUpdater(): Promise<void> {
    this.#updaterRuns = false;
    await this.#rig.killUpdater();
  }

  async #startUpdater(): Promise<void> {
    if (!this.#isCaRight) this.#repairCa();
    this.#updaterRuns = true;
    await this.#rig.startUpdater();
  }

  async #stop(name: Name): Promise<void> {
    this.#stopped.add(name);
    const server = this.#rig.server(name);
    await server.order({ stopping: true });
    await this.#rig.isOut(name);
    await server.close();
  }

  async #startServers(): Promise<void> {
    for (const name of this.#stopped) {
      await this.#rig.server(name).order({ listening: true, stopping: false });
    }
    this.#stopped.clear();
  }

  /** In the order of the Kubernetes documentation: a bundle, the API servers, the new CA alone. */
  async #rotate(): Promise<void> {
    await this.#makeRight();
    const next = makeCertificates(mkdtempSync(join(this.#rig.folder, "ca-")));
    this.#trusted = [this.#used, next];
    await this.#load();
    this.#used = next;
    for (const name of NAMES) {
      await this.#rig.controlPlane.renew(name, next, () => this.#rig.isOut(name));
      await this.#rig.ready(...NAMES);
    }
    this.#trusted = [next];
    await this.#load();
  }

  /** Waits until HAProxy has the CA certificates. */
  async #load(): Promise<void> {
    const { pid } = await this.#rig.runtime.snapshot();
    this.#writeCa();
    replaceFile(this.#rig.caFile, readFileSync(this.#caFile, "utf8"));
    await waitFor("a reload", async () => (await this.#rig.runtime.snapshot()).pid !== pid);
    await this.#rig.ready(...NAMES);
  }

  #writeCa(): void {
    const texts = this.#trusted.map(({ caFile }) => originals(caFile));
    replaceFile(this.#caFile, texts.join(""));
  }

  #breakCa(): Promise<void> {
    this.#isCaRight = false;
    const other = makeCertificates(mkdtempSync(join(this.#rig.folder, "other-")));
    replaceFile(this.#caFile, readFileSync(other.caFile, "utf8"));
    return Promise.resolve();
  }

  #repairCa(): void {
    this.#isCaRight = true;
    this.#writeCa();
  }
}

const read = new Map<string, string>();

/** A CA file's first content: the clients' is replaced later. */
function originals(file: string): string {
  const text = read.get(file) ?? readFileSync(file, "utf8");
  read.set(file, text);
  return text;
}

function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
}
