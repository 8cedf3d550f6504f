import assert from "node:assert/strict";
import { bootstrapScript } from "../../../../host/kubeadm/bootstrap-script";
import { changedInitSettings } from "../../../../host/kubeadm/init-settings";
import type { KubeadmSettings } from "../../../../host/kubeadm/kubeadm-settings";
import { initNodeOptions, SETTINGS } from "./example";

const script = (change: Partial<KubeadmSettings> = {}) =>
  bootstrapScript(initNodeOptions({ settings: { ...SETTINGS, ...change } }));

const changed = (change: Partial<KubeadmSettings>, former: Partial<KubeadmSettings> = {}) =>
  changedInitSettings(script(former), script(change));

describe("what kubeadm reads only when it makes the cluster", () => {
  for (const [key, change] of Object.entries({
    clusterName: { clusterName: "mine" },
    "kubeadm.certSANs": { certSANs: ["lb.example"] },
    "kubeadm.clusterConfiguration": { fragments: { clusterConfiguration: { dns: {} } } },
    "kubeadm.initConfiguration": { fragments: { initConfiguration: { timeouts: {} } } },
    "kubeadm.kubeletConfiguration": { fragments: { kubeletConfiguration: { maxPods: 50 } } },
    "kubeadm.kubeProxyConfiguration": { fragments: { kubeProxyConfiguration: { mode: "ipvs" } } },
  } satisfies Record<string, Partial<KubeadmSettings>>)) {
    it(`includes ${key}, set or left out`, () => {
      assert.deepEqual(changed(change), [key]);
      assert.deepEqual(changed({}, change), [key]);
      assert.deepEqual(changed(change, change), []);
    });
  }

  it("includes nothing that later joins use", () => {
    const fragments = { joinConfiguration: { timeouts: {} } };
    assert.deepEqual(changed({ fragments, ignorePreflightErrors: [] }), []);
  });

  it("does not depend on the order of keys and names", () => {
    const former = {
      certSANs: ["a.example", "b.example"],
      fragments: { clusterConfiguration: { dns: {}, proxy: {} } },
    };
    const next = {
      certSANs: ["b.example", "a.example"],
      fragments: { clusterConfiguration: { proxy: {}, dns: {} } },
    };
    assert.deepEqual(changed(next, former), []);
  });

  it("is unknown for a script without it", () => {
    assert.deepEqual(changedInitSettings("#!/bin/sh\n", script()), []);
  });
});
