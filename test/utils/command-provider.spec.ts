import assert from "node:assert/strict";
import { commandProvider } from "../../pulumi-test-utils/src/plugins/command/provider";
import {
  isSecretValue,
  plain,
  secretValue,
  UNKNOWN,
  type Properties,
} from "../../pulumi-test-utils/src/wire";
import { call, testHost } from "./support/provider-host";
import { keyPair } from "../support/key-pair";
import { startSshServer, type SshServer } from "../support/ssh-server";

const LOCAL = "command:local:Command";
const REMOTE = "command:remote:Command";

describe("command provider of the stand-in", () => {
  const provider = commandProvider(testHost());

  const check = (type: string, news: Properties) =>
    provider.check({ ...call(type, "c"), olds: {}, news, randomSeed: new Uint8Array() });

  const diff = async (oldInputs: Properties, news: Properties) => {
    const at = { ...call(REMOTE, "c"), id: "c1", olds: oldInputs };
    return (await provider.diff({ ...at, oldInputs, news, ignoreChanges: [] })).changes;
  };

  const update = (olds: Properties, oldInputs: Properties, news: Properties, preview = false) =>
    provider.update({
      ...call(LOCAL, "c", { preview }),
      id: "c1",
      olds,
      oldInputs,
      news,
      ignoreChanges: [],
    });

  describe("check", () => {
    it("fills in the defaults of a connection, keeps an explicit 0, and marks it secret", async () => {
      const { inputs, failures } = await check(REMOTE, {
        connection: { host: "h", dialErrorLimit: 0, proxy: { host: "p" } },
      });
      assert.deepEqual(failures, []);
      assert.ok(isSecretValue(inputs["connection"]));
      assert.deepEqual(plain(inputs["connection"]), {
        host: "h",
        user: "root",
        port: 22,
        dialErrorLimit: 0,
        perDialTimeout: 15,
        proxy: { host: "p", user: "root", port: 22, dialErrorLimit: 10, perDialTimeout: 15 },
      });
    });

    it("names missing and unexpected inputs", async () => {
      const noConnection = await check(REMOTE, { create: "true" });
      assert.deepEqual(
        noConnection.failures?.map(({ property }) => property),
        ["connection"],
      );
      const wrong = await check(REMOTE, { connection: { hots: "h" }, crate: "true" });
      assert.deepEqual(
        wrong.failures?.map(({ property }) => property),
        ["crate", "connection.host", "connection.hots"],
      );
    });

    it("accepts unknown inputs", async () => {
      const { inputs, failures } = await check(REMOTE, { connection: UNKNOWN, stdin: UNKNOWN });
      assert.deepEqual(failures, []);
      assert.deepEqual(inputs, { connection: UNKNOWN, stdin: UNKNOWN });
    });
  });

  describe("diff", () => {
    it("finds no change in equal inputs, secret or not", async () => {
      const changes = await diff(
        { stdin: secretValue("x"), create: "a" },
        { create: "a", stdin: "x" },
      );
      assert.deepEqual(changes, {});
    });

    it("updates in place for every input, also delete and the connection", async () => {
      const changes = await diff(
        { connection: secretValue({ host: "a" }), delete: "x", environment: { "a.b": "1" } },
        { connection: secretValue({ host: "b" }), stdin: "new", environment: {} },
      );
      assert.deepEqual(Object.keys(changes).sort(), [
        "connection.host",
        "delete",
        'environment["a.b"]',
        "stdin",
      ]);
      assert.ok(Object.values(changes).every(({ replace }) => !replace));
    });

    it("replaces when triggers are added or removed; changed elements are the engine's task", async () => {
      assert.equal((await diff({}, { triggers: [1] }))["triggers"]?.replace, true);
      assert.deepEqual(await diff({ triggers: [1, 2] }, { triggers: [1, 3] }), {
        "triggers[1]": { kind: "update", replace: false, inputDiff: true },
      });
    });
  });

  describe("preview", () => {
    it("runs nothing on create, and leaves the outputs unknown", async () => {
      const at = call(LOCAL, "c", { preview: true });
      const made = await provider.create({ ...at, properties: { create: "exit 1" } });
      assert.deepEqual(made.properties, { create: "exit 1", stdout: UNKNOWN, stderr: UNKNOWN });
    });

    it("leaves the outputs of an update unknown only if a former input changed", async () => {
      const olds = { create: "a", stdout: "out", stderr: "" };
      const changed = await update(olds, { create: "a" }, { create: "b" }, true);
      assert.equal(changed["stdout"], UNKNOWN);
      const added = await update(olds, { create: "a" }, { create: "a", delete: "x" }, true);
      assert.equal(added["stdout"], "out");
    });
  });

  describe("local command", () => {
    it("runs create with its environment, directory and interpreter", async () => {
      const properties = {
        create: "process.stdout.write(process.env.GREETING + process.cwd())",
        interpreter: [process.execPath, "-e"],
        environment: { GREETING: "hi " },
        dir: "/",
      };
      const made = await provider.create({ ...call(LOCAL, "c"), properties });
      assert.equal(made.properties["stdout"], "hi /");
      assert.match(made.id, /^c[0-9a-f]{8}$/);
    });

    it("runs update, or create without one, and nothing without both", async () => {
      const olds = { stdout: "old", stderr: "" };
      assert.equal((await update(olds, {}, { create: "echo c", update: "echo u" }))["stdout"], "u");
      assert.equal((await update(olds, {}, { create: "echo c" }))["stdout"], "c");
      assert.equal((await update(olds, {}, { delete: "exit 1" }))["stdout"], "old");
    });

    it("gives the last output to an update unless addPreviousOutputInEnv is false", async () => {
      const olds = { stdout: secretValue("last"), stderr: "" };
      const create = 'echo "<$PULUMI_COMMAND_STDOUT>"';
      assert.equal((await update(olds, {}, { create }))["stdout"], "<last>");
      const silent = { create, addPreviousOutputInEnv: false };
      assert.equal((await update(olds, {}, silent))["stdout"], "<>");
    });

    it("reports status, command and output of a failure", async () => {
      const properties = { create: "echo no; exit 3" };
      await assert.rejects(provider.create({ ...call(LOCAL, "c"), properties }), {
        message: 'exit status 3: running "echo no; exit 3":\nno\n',
      });
    });

    it("kills a command that takes longer than the timeout", async () => {
      const at = call(LOCAL, "c", { timeoutSeconds: 1 });
      const slow = provider.create({ ...at, properties: { create: "exec sleep 600" } });
      await assert.rejects(slow, /^Error: signal: killed: running "exec sleep 600"/);
    });
  });

  describe("remote command", () => {
    let host: SshServer;
    const key = keyPair();

    before(async () => {
      host = await startSshServer({ publicKey: key.public });
    });

    after(() => host.close());

    it("keeps secret inputs secret and deletes with the inputs of the state", async () => {
      const { inputs } = await check(REMOTE, {
        connection: { host: "127.0.0.1", port: host.port, privateKey: key.private },
        create: "cat",
        delete: "cat >&2; echo gone",
        stdin: secretValue("hidden"),
      });
      const made = await provider.create({ ...call(REMOTE, "c"), properties: inputs });
      assert.equal(made.properties["stdout"], "hidden");
      assert.ok(isSecretValue(made.properties["stdin"]));
      assert.ok(isSecretValue(made.properties["connection"]));
      await provider.delete({ ...call(REMOTE, "c"), id: made.id, properties: made.properties });
      assert.deepEqual(host.commands, ["cat", "cat >&2; echo gone"]);
    });

    it("dials no host for a read, or for a delete without a command", async () => {
      const properties = { connection: { host: "192.0.2.1" }, create: "true" };
      await provider.delete({ ...call(REMOTE, "c"), id: "c1", properties });
      const at = { ...call(REMOTE, "c"), id: "c1", properties, inputs: properties };
      assert.deepEqual(await provider.read(at), { id: "c1", properties, inputs: properties });
    });
  });
});
