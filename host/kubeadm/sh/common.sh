# Paths of kubeadm and of ours, talking to API servers, waiting.

PKI=/etc/kubernetes/pki
MANIFESTS=/etc/kubernetes/manifests
ADMIN=/etc/kubernetes/admin.conf
ETCD_DATA=/var/lib/etcd
# Written before kubeadm changes the host, removed at success: what it finds half-made is ours.
STARTED="$STATE/bootstrap-started"
# kubeadm ended well: from here on nothing on this host is reset to be made again.
MADE="$STATE/bootstrap-made"
# The host has left its cluster; what is still on it is only to be cleaned away.
LEAVING="$STATE/bootstrap-leaving"

# A proxy for the way out must never stand between the control-plane nodes.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

now() {
  date +%s
}

# answers_with CA HOST:PORT: an API server whose certificate this CA signed answers there (ready or refusing strangers).
answers_with() {
  answer=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$1" "https://$2/readyz") || return 1
  case $answer in
    200 | 401 | 403) return 0 ;;
    *) return 1 ;;
  esac
}

# who_answers HOST:PORT: prints `tls` when a TLS server answers, `hangs` when something takes the connection and is silent, else `nobody`.
who_answers() {
  rc=0
  handshake=$(curl -sk -o /dev/null -w '%{time_appconnect}' --noproxy '*' --connect-timeout 5 --max-time 10 "https://$1/readyz") || rc=$?
  if took_time "$handshake"; then
    echo tls
    return
  fi
  # curl counts the handshake as a part of connecting: only without TLS it tells whether the connection was taken.
  if [ "$rc" -eq 28 ] &&
    took_time "$(curl -s -o /dev/null -w '%{time_connect}' --noproxy '*' --connect-timeout 5 --max-time 6 "http://$1/")"; then
    echo hangs
  else
    echo nobody
  fi
}

# curl reports 0 for what did not happen.
took_time() {
  case $1 in
    *[1-9]*) return 0 ;;
    *) return 1 ;;
  esac
}

# The own API server answers as ready, proven by the cluster's CA on this host.
own_api_ready() {
  set -- -sf -o /dev/null --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$PKI/ca.crt"
  if [ -s "$PKI/apiserver-kubelet-client.crt" ] && [ -s "$PKI/apiserver-kubelet-client.key" ]; then
    set -- "$@" --cert "$PKI/apiserver-kubelet-client.crt" --key "$PKI/apiserver-kubelet-client.key"
  fi
  [ -s "$PKI/ca.crt" ] && curl "$@" "https://$OWN_API/readyz"
}

# kube HOST:PORT ARGUMENTS...: kubectl as administrator, asking this API server and no other.
kube() {
  kube_server=$1
  shift
  kubectl --kubeconfig "$ADMIN" --cache-dir "$RUN/cache" --server "https://$kube_server" --request-timeout 20s "$@"
}

own_node_known() {
  [ "$(kube "$OWN_API" get node "$NODE" -o name)" = "node/$NODE" ]
}

# Is there anything of a cluster on this host? Static pods of others (kube-vip) and a given CA are none of it.
has_cluster_files() {
  for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf "$ADMIN" \
    "$MANIFESTS/etcd.yaml" "$MANIFESTS/kube-apiserver.yaml" "$ETCD_DATA/member"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

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

# An API server beside the own one that answers the administrator: of the configuration's control-plane nodes, else the endpoint.
other_api() {
  {
    others | while read -r _ address; do
      echo "$address:$API_PORT"
    done
    echo "$ENDPOINT"
  } | while read -r candidate; do
    if kube "$candidate" get --raw /readyz >/dev/null 2>&1; then
      echo "$candidate"
      break
    fi
  done | grep .
}
