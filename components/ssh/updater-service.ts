import type { remote } from "@pulumi/command";
import type { Output, Resource } from "@pulumi/pulumi";
import {
  tokenScript,
  updaterServiceScript,
  type TokenDelivery,
  type UpdaterServiceSettings,
} from "../../host/service/updater-part";
import type { Host } from "./host";

/** The updater as a systemd service of this host, with what HAProxy needs to start: CA certificate, settings, first backends. */
export function updaterService(
  host: Host,
  settings: Omit<UpdaterServiceSettings, "address" | "caCert">,
  caCert: Output<string>,
  dependsOn: readonly Resource[],
): remote.Command {
  const { address, generation } = host;
  const script = caCert.apply((pem) =>
    updaterServiceScript({ ...settings, address, caCert: `${pem.trim()}\n` }, { generation }),
  );
  return host.run("updater", { script, removes: true }, { dependsOn });
}

/** Brings the updater its token, and ends when it has used it. */
export function updaterToken(
  host: Host,
  token: Output<string>,
  settings: { readonly delivery: TokenDelivery; readonly healthPort: number },
  dependsOn: readonly Resource[],
): remote.Command {
  const { address, generation } = host;
  const script = token.apply((text) =>
    tokenScript({ ...settings, token: text, address }, { generation }),
  );
  return host.run("token", { script, removes: true, secret: true }, { dependsOn });
}
