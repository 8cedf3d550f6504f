import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPort } from "../../haproxy/address";
import { renderHaproxyConfig } from "../../haproxy/config";
import { renderServerState } from "../../haproxy/server-state";
import { firstSlots } from "../../haproxy/slots";
import { exampleSettings } from "../unit/updater/example-settings";
import { makeCertificates } from "./support/certificates";
import { Namespace } from "./support/namespace";
import { end } from "./support/processes";
import { BINARIES } from "./support/rig";
import { waitFor } from "./support/wait";

const VIRTUAL = ["10.231.255.100", "fd31::100"];

for (const { version, command } of BINARIES) {
  describe(`virtual addresses in HAProxy ${version}`, function () {
    this.timeout(120_000);
    let machine: Namespace;
    let folder: string;
    let haproxy: ChildProcess | undefined;

    before(() => {
      machine = new Namespace();
      folder = mkdtempSync(join(tmpdir(), "control-plane-lb-virtual-"));
    });
    after(async () => {
      if (haproxy !== undefined) await end(haproxy, "SIGKILL");
      machine?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    const inside = (...words: string[]): string => {
      const [program = "", ...args] = [...machine.command, ...words];
      return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    };
    const listeners = (): string[] =>
      inside("ss", "-Hltn", "sport = :6444")
        .split("\n")
        .flatMap((line) => line.split(/\s+/)[3] ?? [])
        .sort();
    const accepts = (address: string): boolean => {
      try {
        // HAProxy resets it at once, as there is no server: to some programs that is a refusal
        inside("timeout", "5", "bash", "-c", `exec 3<>/dev/tcp/${address}/6444`);
        return true;
      } catch {
        return false;
      }
    };

    it("are bound without privileges before the host has them, and serve when it gets them", async () => {
      const settings = exampleSettings(folder);
      const { caFile } = makeCertificates(folder);
      const spec = {
        ...settings.haproxy,
        caFile,
        listen: [machine.address],
        virtualAddresses: VIRTUAL,
      };
      writeFileSync(
        spec.stateFile,
        renderServerState(firstSlots([]), () => false),
      );
      writeFileSync(settings.configFile, renderHaproxyConfig(spec, firstSlots([])));
      const [program = "", ...args] = [
        ...machine.command,
        // root without capabilities: the binary is in a folder of root
        ...["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"],
        ...[...command, "-db", "-f", settings.configFile],
      ];
      haproxy = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
      let output = "";
      haproxy.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
      await waitFor("HAProxy listens on all addresses", () => {
        assert.equal(haproxy?.exitCode, null, output);
        const expected = [...VIRTUAL, machine.address].map((each) => hostPort(each, 6444));
        assert.deepEqual(listeners(), expected.sort());
        return true;
      });
      inside("ip", "link", "set", "lo", "up");
      assert.deepEqual(VIRTUAL.map(accepts), [false, false]);
      for (const address of VIRTUAL) {
        inside(
          "ip",
          "address",
          "add",
          address,
          "dev",
          "lo",
          ...(address.includes(":") ? ["nodad"] : []),
        );
      }
      assert.deepEqual(VIRTUAL.map(accepts), [true, true]);
    });
  });
}
