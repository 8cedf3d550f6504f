import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { killGroup, lineOf, MachineRoot } from "./machine-root";

export { killGroup };

/**
 * A machine with stubs of kubeadm and kubectl, and fake API servers and etcds; its host is m1 at
 * 10.99.0.1.
 */
export class PrivateRoot extends MachineRoot {
  static async create(addresses: readonly string[]): Promise<PrivateRoot> {
    const machine = new PrivateRoot();
    try {
      await machine.begins(addresses);
      return machine;
    } catch (error) {
      machine.dispose();
      throw error;
    }
  }

  private async begins(addresses: readonly string[]): Promise<void> {
    for (const folder of ["up", "listening", "nodes", "pki/etcd", "script"]) {
      mkdirSync(path.join(this.fake, folder), { recursive: true });
    }
    makeCertificates(path.join(this.fake, "pki"), addresses);
    this.write("own", "OWN_NAME=m1\nOWN_ADDRESS=10.99.0.1\n");
    this.write("members.json", "[]");
    this.write("leader", "0");
    await this.start({ addresses, stubs: [path.join(__dirname, "stubs")] });
    const servers = spawn(
      "nsenter",
      [
        ...["-t", String(this.holder), "-n", process.execPath, "--import", "tsx"],
        path.join(__dirname, "../kubeadm/fake-servers.ts"),
        this.fake,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    this.children.push(servers);
    await lineOf(servers, "ready");
  }

  /** Starts a server at HOST:PORT; `hang` accepts connections and sends nothing. */
  async serve(target: string, how: "answers" | "hang" = "answers"): Promise<void> {
    this.write(`up/${target}`, how);
    await this.listening(target, true);
  }

  /** Stops the server at HOST:PORT. */
  async silence(target: string): Promise<void> {
    this.remove(`up/${target}`);
    await this.listening(target, false);
  }

  private async listening(target: string, desired: boolean): Promise<void> {
    const end = Date.now() + 60_000;
    while (existsSync(path.join(this.fake, "listening", target)) !== desired) {
      if (Date.now() > end) {
        throw new Error(`${target} ${desired ? "does not listen" : "still listens"} after 60 s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Calls of kubeadm, kubectl, systemctl and etcd that change something, in order. */
  changes(): string[] {
    return this.read("calls")
      .split("\n")
      .filter(
        (line) =>
          line !== "" &&
          !/^kubeadm version|: get |^systemd-run|is-enabled|endpoint\.service$/.test(line),
      );
  }
}

/** A CA, and one certificate for all servers and clients. */
function makeCertificates(folder: string, addresses: readonly string[]): void {
  const file = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    ...["req", "-x509", ...key, "-days", "3650", "-subj", "/CN=kubernetes"],
    ...["-keyout", file("ca.key"), "-out", file("ca.crt")],
  );
  const names = addresses.map((address) => `IP:${address}`).join(",");
  openssl(
    ...["req", "-x509", ...key, "-days", "3650", "-subj", "/CN=server"],
    ...["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-addext", `subjectAltName=${names}`],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", file("server.key"), "-out", file("server.crt")],
  );
  for (const kind of ["crt", "key"]) {
    cpSync(file(`server.${kind}`), file(`apiserver-kubelet-client.${kind}`));
    cpSync(file(`server.${kind}`), file(`etcd/healthcheck-client.${kind}`));
  }
  cpSync(file("ca.crt"), file("etcd/ca.crt"));
}
