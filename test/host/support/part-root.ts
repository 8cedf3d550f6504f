import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import type { HostPart } from "../../../host/part";
import { partScript } from "../../../host/part-script";
import { MachineRoot, type Holder, type Outcome } from "./machine-root";
import { waitFor } from "./wait";

/** The address of the host. */
export const OWN_ADDRESS = "10.99.0.1";

/**
 * A machine for host parts, at OWN_ADDRESS: systemd, apt, curl and HAProxy are stubs, everything
 * else is real.
 */
export class PartRoot extends MachineRoot {
  static async create(): Promise<PartRoot> {
    const machine = new PartRoot();
    try {
      const stubs = [path.join(__dirname, "part-stubs")];
      await machine.start({ addresses: [OWN_ADDRESS], stubs, replaced: ["haproxy"] });
      await machine.must(`mkdir -p /run/systemd/system /etc/systemd/system /etc/haproxy
getent passwd haproxy >/dev/null || useradd --system --user-group haproxy
touch /etc/shadow /etc/gshadow /etc/subuid /etc/subgid
chmod 0640 /etc/shadow /etc/gshadow`);
      return machine;
    } catch (error) {
      machine.dispose();
      throw error;
    }
  }

  /** Runs sh; resolves with its stdout. @throws when it fails */
  async must(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.begin(`set -eu\n${script}`).done;
    assert.equal(code, 0, `${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Applies parts in order. @throws when a script fails */
  async apply(...parts: readonly HostPart[]): Promise<Outcome> {
    return this.runEach(parts, "apply");
  }

  async takeAway(...parts: readonly HostPart[]): Promise<Outcome> {
    return this.runEach([...parts].reverse(), "remove");
  }

  private async runEach(parts: readonly HostPart[], verb: "apply" | "remove"): Promise<Outcome> {
    let last: Outcome = { code: 0, stdout: "", stderr: "" };
    for (const part of parts) {
      last = await this.run(partScript(part), verb);
      assert.equal(last.code, 0, `${verb} ${part.owner}: ${last.stdout}${last.stderr}`);
    }
    return last;
  }

  /** Applies a part for a stack and a node. */
  applyAs(holder: Holder, part: HostPart): Promise<Outcome> {
    return this.run(partScript(part), "apply", holder);
  }

  /** Removes a part for a stack and a node. */
  removeAs(holder: Holder, part: HostPart): Promise<Outcome> {
    return this.run(partScript(part), "remove", holder);
  }

  /** Runs a part's script and kills it at a step. False: it ended before that step. */
  async interrupt(part: HostPart, verb: "apply" | "remove", step: number): Promise<boolean> {
    this.write("steps", "0");
    this.write("kill-at", String(step));
    const { code, stderr } = await this.run(partScript(part), verb);
    this.remove("kill-at");
    assert.ok(code === 0 || code === null || code === 137, `step ${step}: ${code} ${stderr}`);
    return code !== 0;
  }

  /** Holds scripts at their next step until the result is called. */
  async hold(): Promise<() => void> {
    this.write("hold", "");
    return Promise.resolve(() => this.remove("hold"));
  }

  /** Resolves when a script is held. */
  async held(): Promise<void> {
    await waitFor("a script that is held", () => existsSync(path.join(this.fake, "held")));
  }

  /** Files, modes, owners, links, accounts and rules of the kernel, one per line. */
  async snapshot(): Promise<string[]> {
    const text = await this.must(`cd /
find etc var run opt ! -path 'etc/*-' ! -name .pwd.lock ! -path 'run/control-plane-lb-host*' \\
  ! -name '.updated' \\( -type d -o -type l \\) -printf '%y %m %u:%g %p %l\\n'
find etc var run opt -type f ! -path 'etc/*-' ! -name .pwd.lock ! -path 'run/control-plane-lb-host*' \\
  ! -path 'run/control-plane-lb-virtual-ip/*' \\
  -printf '%y %m %u:%g %p ' -exec sh -c 'sha256sum <"$0"' {} \\;
find usr/local/sbin
sed 's/^/rule /' <<END
$(nft -s list ruleset)
END
cat /proc/sys/net/ipv4/ip_nonlocal_bind`);
    return text.trim().split("\n").sort();
  }

  /** Processes of the units, by unit. */
  async processes(): Promise<string> {
    return this.must('cd /fake/units && for unit in *; do echo "$unit $(cat $unit)"; done');
  }
}
