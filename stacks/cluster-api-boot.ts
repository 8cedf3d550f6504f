import { configurationAdvice } from "../components/ssh/advice";
import { forwardPart } from "../host/forward/forward-part";
import { preflightScript } from "../host/preflight/preflight-script";
import { tokenFetchPart } from "../host/service/token-fetch-part";
import type { BootStep, FirstBootPlan } from "../host/user-data/first-boot";
import { forwardOf } from "./shared";
import type { Settings } from "./settings";
import {
  PREFLIGHT_SECONDS,
  RUNTIME_SECONDS,
  serviceSteps,
  type UserDataContext,
} from "./user-data";

/** What the control-plane nodes of Cluster API need to know. None of it is secret. */
export type ControlPlaneContext = Pick<UserDataContext, "stack" | "settings" | "updaterScript"> & {
  readonly secrets: Pick<UserDataContext["secrets"], "caCert">;
};

/**
 * What every control-plane node that is a load-balancer host does on its first boot, beside kubeadm,
 * which Cluster API runs: one text for all of them.
 */
export function controlPlanePlan(context: ControlPlaneContext): FirstBootPlan {
  const { stack, settings } = context;
  const forward = settings.topology === "daemonset";
  return {
    stack,
    beforeKubeadm: [
      preflight(settings),
      ...(forward
        ? [{ name: "forward", part: forwardPart(forwardOf(settings)) }]
        : serviceSteps(context)),
    ],
    afterKubeadm: forward ? [] : [{ name: "token", part: tokenFetchPart(settings) }],
  };
}

/** Before any change: what could be in the way is named. */
function preflight(settings: Settings): BootStep {
  const { topology, ports, ownAddress, allow, forward, haproxy } = settings;
  const script = preflightScript({
    ...{ node: "control-plane-node", ports, ownAddress, allow },
    ...(topology === "daemonset"
      ? { forward: forward.kind }
      : { service: { takeOver: haproxy.takeOver } }),
    bootstrap: true,
    runtimeSeconds: RUNTIME_SECONDS,
    advice: configurationAdvice("nodes"),
  });
  return { name: "preflight", script, secret: false, deadlineSeconds: PREFLIGHT_SECONDS };
}
