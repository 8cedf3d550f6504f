import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { rootCertificates } from "node:tls";
import { promisify } from "node:util";
import { after, before, describe, it } from "mocha";
import { DEFAULT_ADVICE } from "../../../host/advice";
import { certificateChecks } from "../../../host/preflight/certificate-checks";
import { certificates } from "../../support/certificates";

const run = promisify(execFile);

describe("the certificates of a cluster that exists", () => {
  let server: Server;
  let port: number;
  before(async () => {
    const { serverCert, serverKey } = certificates();
    // for 127.0.0.1 and kubernetes
    server = createServer({ cert: serverCert, key: serverKey }, (_, response) => {
      response.writeHead(401).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  });
  after(() => {
    server.close();
  });

  const check = async (endpointHost: string, caCert: string, backend = `127.0.0.1:${port}`) => {
    const checks = certificateChecks(
      { endpointHost, caCert, backends: { m1: backend } },
      DEFAULT_ADVICE,
    );
    const script = `set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
has() { command -v "$1" >/dev/null 2>&1; }
problem() { printf 'problem: %s: %s\\n' "$1" "$2"; }
warn() { printf 'warning: %s\\n' "$*"; }
${checks}`;
    return (await run("sh", ["-c", script])).stdout.trim();
  };

  it("may include the endpoint by name or by address, whatever the API server answers", async () => {
    assert.equal(await check("kubernetes", certificates().ca), "");
    assert.equal(await check("127.0.0.1", certificates().ca), "");
  });

  it("are refused with advice when they do not include the endpoint", async () => {
    for (const host of ["lb.example", "10.0.0.99", "fd00::99"]) {
      const said = await check(host, certificates().ca);
      assert.equal(
        said,
        `problem: the certificate of m1's API server (127.0.0.1:${port}) does not include ${host}: add it to its certSANs (kubeadm init phase certs apiserver, after removing the old apiserver.crt and apiserver.key)`,
      );
    }
  });

  it("are refused when another CA has signed them", async () => {
    const said = await check("kubernetes", rootCertificates[0] ?? "");
    assert.match(
      said,
      /^problem: .* is not signed by the CA of this cluster: provide the CA of this cluster/,
    );
  });

  it("of an API server that does not answer are skipped with a warning", async () => {
    const dead = createServer().listen(0, "127.0.0.1");
    await once(dead, "listening");
    const address = `127.0.0.1:${(dead.address() as AddressInfo).port}`;
    dead.close();
    await once(dead, "close");
    assert.equal(
      await check("kubernetes", certificates().ca, address),
      `warning: the API server of m1 (${address}) does not answer: its certificate is not checked`,
    );
  });
});
