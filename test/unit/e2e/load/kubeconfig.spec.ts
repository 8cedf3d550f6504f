import assert from "node:assert/strict";
import { readCredentials } from "../../../../e2e/load/kubeconfig";
import { certificates, kubeconfig } from "../../../support/certificates";

describe("credentials of the load", () => {
  it("reads what kubeadm writes", () => {
    const { ca, clientCert, clientKey } = certificates();
    assert.deepEqual(readCredentials(kubeconfig("https://10.77.0.11:6444")), {
      ca,
      cert: clientCert,
      key: clientKey,
      token: undefined,
    });
  });

  it("names what is missing", () => {
    assert.throws(() => readCredentials("{}"), /certificate-authority-data/);
    const text = kubeconfig("https://a").replace("client-key-data", "other");
    assert.throws(() => readCredentials(text), /client-key-data/);
  });
});
