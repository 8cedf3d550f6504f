import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { filesOf } from "../../../../host/part";
import { hostScript } from "../../../../host/shell";
import { firstBoot, type BootStep } from "../../../../host/user-data/first-boot";
import { RUNNER } from "../../../../host/user-data/runner";
import { assertSoundSh } from "../../shell";
import { PARTS } from "../example-parts";
import { BOOTS, BOOTSTRAP_TOKEN, STACK } from "./example-boots";

const boot = (...beforeKubeadm: BootStep[]) =>
  firstBoot({ stack: STACK, beforeKubeadm, afterKubeadm: [] });
const runnerOf = ({ files }: ReturnType<typeof boot>) =>
  files.find(({ path }) => path === RUNNER)?.content ?? "";
const forward = PARTS["the forward by nftables"]!;
const script = hostScript("example", { apply: `say ${BOOTSTRAP_TOKEN}` });

describe("a first boot", () => {
  for (const [what, { files }] of Object.entries(BOOTS)) {
    it(`of a ${what} is sound POSIX sh`, () => assertSoundSh(runnerOf({ files } as never)));
  }

  it("has a script of its own that is sound sh, too", () => {
    assertSoundSh(runnerOf(boot({ name: "one", part: forward }, { name: "two", script })));
  });

  it("stages each content once, for root alone", () => {
    const { files } = boot({ name: "one", part: forward }, { name: "two", part: forward });
    const staged = files.filter(({ path }) => path !== RUNNER);
    assert.deepEqual(
      staged.map(({ content }) => content).sort(),
      filesOf(forward)
        .map(({ content }) => content)
        .sort(),
    );
    for (const { mode } of files) assert.equal(mode, "0600");
  });

  it("marks the token's file as secret, and no other", () => {
    const secret = BOOTS["load-balancer host"]!.files.filter((file) => file.secret);
    assert.deepEqual(
      secret.map(({ content }) => content),
      [`CONTROL_PLANE_LB_TOKEN=${BOOTSTRAP_TOKEN}\n`],
    );
  });

  it("marks a file as secret that a group may read", () => {
    const part = PARTS["the updater's token in a file"]!;
    const { files } = boot({ name: "token", part });
    assert.deepEqual(
      files.map(({ secret }) => secret),
      [true, undefined],
    );
  });

  it("keeps a script apart that may hold a credential", () => {
    const { files } = boot({ name: "kubeadm", script });
    assert.deepEqual(
      files.map(({ path, secret, content }) => [
        path === RUNNER,
        secret,
        content.includes(BOOTSTRAP_TOKEN),
      ]),
      [
        [false, true, true],
        [true, undefined, false],
      ],
    );
  });

  it("has a script without credentials in the program", () => {
    const { files } = boot({ name: "check", script, secret: false });
    assert.equal(files.length, 1);
    assert.ok(runnerOf({ files } as never).includes(BOOTSTRAP_TOKEN));
  });

  it("ends cloud-init's script when it fails", () => {
    const { beforeKubeadm, afterKubeadm } = boot();
    assert.equal(beforeKubeadm, `sh ${RUNNER} before-kubeadm || exit 1`);
    assert.equal(afterKubeadm, `sh ${RUNNER} after-kubeadm || exit 1`);
  });

  for (const [what, step, seconds] of [
    ["units", { name: "x", part: forward }, 180 + 90 + 90],
    ["packages and units", { name: "x", part: PARTS["HAProxy's service"]! }, 180 + 600 + 180],
    ["a script", { name: "x", script }, 600],
    ["its own", { name: "x", script, deadlineSeconds: 2700 }, 2700],
  ] as const) {
    it(`gives a step a deadline by ${what}`, () => {
      assert.match(runnerOf(boot(step)), new RegExp(`^step 'x' '1 of 1' ${seconds} <`, "m"));
    });
  }

  it("finds the machine's name at boot unless it is known", () => {
    assert.match(runnerOf(boot()), /^node=\$\(uname -n \|/m);
    const known = firstBoot({ stack: STACK, node: "m1", beforeKubeadm: [], afterKubeadm: [] });
    assert.match(runnerOf(known), /^node='m1'$/m);
  });

  for (const [what, step, message] of [
    ["a step with neither part nor script", { name: "x" }, /expected one of part and script/],
    ["a step with both", { name: "x", part: forward, script }, /expected one of part and script/],
    ["a name with a quote", { name: "x'; reboot '", script }, /got name "x'; reboot '"/],
    [
      "a script that ends its own text",
      { name: "x", script: "a\nEND_OF_STEP\nb", secret: false },
      /holds a line END_OF_STEP/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => boot(step), { message }));
  }
});
