import assert from "node:assert/strict";
import { objectsScript } from "../../../host/kubeadm/objects-script";
import { PrivateRoot } from "../support/private-root";
import { bootstrap, OTHER, OWN } from "./control-plane-node";

const MANAGER = "organization/control-plane-lb/dev";
const PIECES = [
  { fieldManager: MANAGER, manifests: "kind: DaemonSet # it's $HOME\n" },
  { fieldManager: "backends-in-use", manifests: "control-plane-lb/in-use: 'true'\n" },
];

describe("the objects of a new cluster, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  afterEach(() => machine.dispose());

  const apply = () =>
    machine.run(
      objectsScript({ node: { name: "m1", address: OWN }, apiPort: 6443, pieces: PIECES }),
      "apply",
    );
  const applied = () =>
    machine.changes().filter((line) => line.startsWith(`kubectl at ${OWN}:6443: apply`));

  it("are applied through the own API server, in order, each by its field manager", async () => {
    await machine.run(bootstrap(), "apply");
    const outcome = await apply();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(
      applied().map((line) => line.replace(/ --filename.*/, "")),
      [MANAGER, "backends-in-use"].map(
        (manager) => `kubectl at ${OWN}:6443: apply --server-side --field-manager ${manager}`,
      ),
    );
    assert.equal(machine.read("applied.yaml"), PIECES.map(({ manifests }) => manifests).join(""));
    assert.ok(!machine.has("run/control-plane-lb-objects"));
  });

  it("are left alone in a cluster that is in use", async () => {
    await machine.run(bootstrap(), "apply");
    await apply();
    machine.write("calls", "");
    assert.equal((await apply()).code, 0);
    assert.deepEqual(applied(), []);
  });

  it("are completed where an earlier run applied some of them", async () => {
    await machine.run(bootstrap(), "apply");
    machine.write("kubectl-refuses", "backends-in-use");
    const text = objectsScript({
      node: { name: "m1", address: OWN },
      apiPort: 6443,
      pieces: PIECES,
    }).replace("wait_for 120 apply_piece", "wait_for 1 apply_piece");
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /InternalError[^]*refuses objects: see above; what it took stays/);
    machine.remove("kubectl-refuses");
    assert.equal((await apply()).code, 0);
    assert.ok(machine.has("fake/in-use"));
  });
});
