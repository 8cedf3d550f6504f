import { hostPort } from "../../haproxy/address";
import { API_SERVER_NAME } from "../../haproxy/spec";
import type { Advice } from "../advice";
import { quote } from "../shell";
import type { ExistingCluster } from "./preflight-settings";

/**
 * Sh lines: the API servers' certificates include the endpoint's name, and the cluster's CA has
 * signed them. Clients of the endpoint would refuse others. An API server that does not answer only
 * causes a warning.
 */
export function certificateChecks(
  existing: ExistingCluster,
  advice: Pick<Advice, "caCert">,
): string {
  const { endpointHost, caCert, backends } = existing;
  const endpoint = hostPort(endpointHost, "");
  const lines = Object.entries(backends).map(
    ([name, backend]) => `check_certificate ${quote(name)} ${quote(backend)}`,
  );
  return `cat >"$work/ca.crt" <<'END_OF_CA'
${caCert.trim()}
END_OF_CA
lacks_endpoint() { # name, address:port
  problem "the certificate of $1's API server ($2) does not include "${quote(endpointHost)} \\
    "add it to its certSANs (kubeadm init phase certs apiserver, after removing the old apiserver.crt and apiserver.key)"
}
check_certificate() { # name, address:port
  has curl || return 0
  status=0
  port=\${2##*:}
  curl --silent --noproxy '*' --max-time 10 --output /dev/null --cacert "$work/ca.crt" \\
    --connect-to ${quote(endpoint)}"$port:$2" ${quote(`https://${endpoint}`)}"$port/livez/ping" || status=$?
  case $status in
    0) ;;
    51) lacks_endpoint "$1" "$2" ;;
    60) if curl --silent --noproxy '*' --max-time 10 --output /dev/null --cacert "$work/ca.crt" \\
      --connect-to "${API_SERVER_NAME}:$port:$2" "https://${API_SERVER_NAME}:$port/livez/ping"; then
        lacks_endpoint "$1" "$2"
      else
        problem "the certificate of $1's API server ($2) is not signed by the CA of this cluster" ${quote(advice.caCert)}
      fi ;;
    *) warn "the API server of $1 ($2) does not answer: its certificate is not checked" ;;
  esac
}
${lines.join("\n")}`;
}
