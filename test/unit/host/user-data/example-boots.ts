import { firstBoot, type BootStep, type FirstBoot } from "../../../../host/user-data/first-boot";
import { forwardPart } from "../../../../host/forward/forward-part";
import { haproxyPart } from "../../../../host/service/haproxy-part";
import { tokenFetchPart } from "../../../../host/service/token-fetch-part";
import { tokenPart } from "../../../../host/service/token-part";
import { updaterPart } from "../../../../host/service/updater-part";
import { bundleUpdater } from "../../../../updater/bundle";
import { forwardSettings, haproxySettings, updaterSettings } from "../example-parts";

export const STACK = "organization/control-plane-lb/test";
export const BOOTSTRAP_TOKEN = "abcdef.0123456789abcdef";

const PORTS = { lb: 6444, health: 6445, api: 6443 };

const service = (backends: Record<string, string>): BootStep[] => [
  {
    name: "updater",
    part: updaterPart(
      updaterSettings({
        script: bundleUpdater(),
        backends,
        ownBackend: Object.keys(backends).length === 0,
        discovery: "both",
      }),
    ),
  },
  { name: "haproxy", part: haproxyPart(haproxySettings()) },
];

const forward = (kind: "nftables" | "iptables" | "socat"): BootStep => ({
  name: "forward",
  part: forwardPart(forwardSettings({ kind })),
});

/** The addresses that control-plane nodes of a load-balancer host can have. */
const POSSIBLE = Object.fromEntries(
  Array.from({ length: 8 }, (_, index) => [`possible-${index + 1}`, `10.0.0.${index + 11}:6443`]),
);

/** A first boot per role of a machine, by what it is; kubeadm itself is not in it. */
export const BOOTS: Readonly<Record<string, FirstBoot>> = {
  ...Object.fromEntries(
    (["nftables", "iptables", "socat"] as const).map((kind) => [
      `control-plane node, daemonset, forward by ${kind}`,
      firstBoot({ stack: STACK, beforeKubeadm: [forward(kind)], afterKubeadm: [] }),
    ]),
  ),
  "control-plane node, external": firstBoot({
    stack: STACK,
    beforeKubeadm: service({}),
    afterKubeadm: [{ name: "token", part: tokenFetchPart({ ports: PORTS }) }],
  }),
  "load-balancer host": firstBoot({
    stack: STACK,
    node: "lb1",
    beforeKubeadm: [
      ...service(POSSIBLE),
      {
        name: "token",
        part: tokenPart({
          token: BOOTSTRAP_TOKEN,
          delivery: "environment",
          ports: PORTS,
          awaitSync: false,
        }),
      },
    ],
    afterKubeadm: [],
  }),
};
