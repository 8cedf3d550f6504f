# Talks to API servers, probes ports, keeps markers.

now() {
  date +%s
}

# The folder of a running script's files, empty and for root alone.
open_run_folder() {
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  wait_for_unit
  rm -f "$RUN"/*
}

# answers_with CA HOST:PORT: an API server with a certificate of this CA answers, ready or not.
answers_with() {
  answer=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$1" "https://$2/readyz") || return 1
  case $answer in
    200 | 401 | 403) return 0 ;;
    *) return 1 ;;
  esac
}

# probe HOST:PORT: prints `tls`, `silent` (accepts connections, sends nothing) or `closed`.
probe() {
  rc=0
  handshake=$(curl -sk -o /dev/null -w '%{time_appconnect}' --noproxy '*' --connect-timeout 5 --max-time 10 "https://$1/readyz") || rc=$?
  if took_time "$handshake"; then
    echo tls
    return
  fi
  # With TLS, curl's time_connect includes the handshake: a plain connection shows a silent server.
  if [ "$rc" -eq 28 ] &&
    took_time "$(curl -s -o /dev/null -w '%{time_connect}' --noproxy '*' --connect-timeout 5 --max-time 6 "http://$1/")"; then
    echo silent
  else
    echo closed
  fi
}

# curl prints 0 for a step that did not happen.
took_time() {
  case $1 in
    *[1-9]*) return 0 ;;
    *) return 1 ;;
  esac
}

# The host's own API server is ready, and its certificate is of the CA on this host.
own_api_ready() {
  set -- -sf -o /dev/null --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$PKI/ca.crt"
  if [ -s "$PKI/apiserver-kubelet-client.crt" ] && [ -s "$PKI/apiserver-kubelet-client.key" ]; then
    set -- "$@" --cert "$PKI/apiserver-kubelet-client.crt" --key "$PKI/apiserver-kubelet-client.key"
  fi
  [ -s "$PKI/ca.crt" ] && curl "$@" "https://$OWN_API/readyz"
}

# kube HOST:PORT ARGUMENTS...: kubectl as administrator, through this API server and no other.
kube() {
  kube_server=$1
  shift
  kubectl --kubeconfig "$ADMIN" --cache-dir "$RUN/cache" --server "https://$kube_server" --request-timeout 20s "$@"
}

own_node_registered() {
  [ "$(kube "$OWN_API" get node "$NODE" -o name)" = "node/$NODE" ]
}

# Is any file of a cluster on this host? Other static pods (kube-vip) and a user's CA do not count.
has_cluster_files() {
  for file in "$KUBELET" /etc/kubernetes/bootstrap-kubelet.conf "$ADMIN" \
    "$MANIFESTS/etcd.yaml" "$MANIFESTS/kube-apiserver.yaml" "$ETCD_DATA/member"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# mark FILE TEXT: survives a power cut.
mark() {
  mkdir -p "$STATE"
  printf '%s\n' "$2" >"$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
  sync "$STATE"
}

unmark() {
  rm -f "$@"
  rmdir "$STATE" 2>/dev/null || true
}

# An interrupted removal has stopped the API server, and the node is still a member.
restore_api_server() {
  if [ -e "$STOPPED_API_SERVER" ] && [ ! -e "$MANIFESTS/kube-apiserver.yaml" ]; then
    mv "$STOPPED_API_SERVER" "$MANIFESTS/kube-apiserver.yaml"
  fi
}

# Prints the first API server on stdin (HOST:PORT a line) that answers the administrator.
first_serving() {
  while read -r candidate; do
    if kube "$candidate" get --raw /readyz >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

other_apis() {
  others | while read -r _ api _; do
    echo "$api"
  done
}

# An API server of another control-plane node that answers the administrator, else the endpoint.
serving_other_api() {
  {
    other_apis
    echo "$ENDPOINT"
  } | first_serving
}

serving_api() {
  {
    echo "$OWN_API"
    other_apis
  } | first_serving
}
