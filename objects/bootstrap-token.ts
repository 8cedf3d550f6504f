/**
 * The credential of dedicated load-balancer hosts that are made from user data: a bootstrap token is
 * known before the cluster exists. Its group has the updater's rights and no others.
 */
import { NAMESPACE, POD_LABELS, PRODUCT, WORKLOAD } from "../names";
import type { DiscoveryMode } from "../updater/settings";
import { grantsFor, groupSubject, roleBinding } from "./access";
import { base64Values, type Manifest } from "./manifest";

/** Kubernetes wants this prefix: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
export const LOAD_BALANCER_GROUP = `system:bootstrappers:${PRODUCT}`;

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

/**
 * Secret with the bootstrap token of the load-balancer hosts, which never expires, and the bindings
 * of its group.
 *
 * @param token SECRET. Like `abcdef.0123456789abcdef`
 * @throws Error when it is no bootstrap token, without showing it
 */
export function loadBalancerAccess(token: string, discovery: DiscoveryMode): Manifest[] {
  return [loadBalancerToken(token), ...loadBalancerBindings(discovery)];
}

/** The bindings of the group alone: one per grant. */
export function loadBalancerBindings(discovery: DiscoveryMode) {
  const group = groupSubject(LOAD_BALANCER_GROUP);
  return grantsFor(discovery).map((grant) =>
    roleBinding(grant, group, `${WORKLOAD}-load-balancers`),
  );
}

/**
 * The Secret alone.
 * @throws Error when the text is no bootstrap token, without showing it
 */
export function loadBalancerToken(token: string) {
  const [, id, secret] = TOKEN.exec(token) ?? [];
  if (id === undefined || secret === undefined) {
    throw new Error(
      "the token of the load-balancer hosts is no bootstrap token: expected 6 characters, a dot and 16 characters, each a-z or 0-9",
    );
  }
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `bootstrap-token-${id}`, namespace: NAMESPACE, labels: POD_LABELS },
    type: "bootstrap.kubernetes.io/token",
    data: base64Values({
      description: "load-balancer hosts of the control-plane endpoint",
      "token-id": id,
      "token-secret": secret,
      "usage-bootstrap-authentication": "true",
      "auth-extra-groups": LOAD_BALANCER_GROUP,
    }),
  } satisfies Manifest;
}
