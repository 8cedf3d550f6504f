import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "mocha";
import { problemsOf } from "../../../../components/cluster-api/refuse-other-cluster";

const CLUSTER = "/apis/cluster.x-k8s.io/v1beta2/namespaces/metal/clusters/blue";
const SECRET = "/api/v1/namespaces/metal/secrets/blue-ca";
const missing = { code: 404, body: JSON.stringify({ kind: "Status", code: 404 }) };
const found = (object: object) => ({ code: 200, body: JSON.stringify(object) });
const cluster = (host: string) => found({ spec: { controlPlaneEndpoint: { host, port: 6444 } } });
const secret = (ca: string) => found({ data: { "tls.crt": Buffer.from(ca).toString("base64") } });

describe("the question for the Cluster in the management cluster", () => {
  let server: http.Server | undefined;
  afterEach(() => void server?.close());

  /** A stand-in for the API server; other paths have code 403. */
  async function ask(
    answers: Readonly<Record<string, { readonly code: number; readonly body: string }>>,
    { caCert }: { readonly caCert: string | undefined } = { caCert: "OURS" },
  ): Promise<string[]> {
    const started = http.createServer(({ url = "" }, response) => {
      const { code, body } = answers[url] ?? { code: 403, body: "{}" };
      response.writeHead(code).end(body);
    });
    server = started;
    await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
    const { port } = started.address() as AddressInfo;
    return problemsOf({
      expected: {
        ...{ name: "blue", namespace: "metal", labels: {} },
        endpoint: { host: "lb.example", port: 6444 },
      },
      apiVersion: "v1beta2",
      connection: { server: `http://127.0.0.1:${port}` },
      caCert,
    });
  }

  it("finds nothing wrong with the Cluster of this stack", async () => {
    const answers = { [CLUSTER]: cluster("lb.example"), [SECRET]: secret("OURS") };
    assert.deepEqual(await ask(answers), []);
  });

  it("finds nothing wrong where there is no CA yet", async () => {
    assert.deepEqual(await ask({ [CLUSTER]: cluster("lb.example"), [SECRET]: missing }), []);
  });

  it("names another endpoint and another CA at once", async () => {
    const answers = { [CLUSTER]: cluster("x.example"), [SECRET]: secret("OTHER") };
    const [endpoint, ca, ...more] = await ask(answers);
    assert.match(endpoint ?? "", /has the endpoint x\.example:6444/);
    assert.match(ca ?? "", /^Secret metal\/blue-ca holds another CA/);
    assert.deepEqual(more, []);
  });

  it("does not compare a CA that a preview does not know", async () => {
    const answers = { [CLUSTER]: cluster("lb.example"), [SECRET]: secret("OTHER") };
    const problems = await ask(answers, { caCert: undefined });
    assert.deepEqual(problems, []);
  });

  it("tells a missing Cluster from a version that is not served", async () => {
    assert.match((await ask({ [CLUSTER]: missing }))[0] ?? "", /is not in the management cluster/);
    server?.close();
    const notServed = { code: 404, body: "404 page not found" };
    assert.match(
      (await ask({ [CLUSTER]: notServed }))[0] ?? "",
      /does not serve cluster\.x-k8s\.io\/v1beta2/,
    );
  });

  it("is left to the provider where the API refuses it", async () => {
    assert.deepEqual(await ask({}), []);
  });
});
