# Talks to etcd through its JSON gateway: hosts have no etcdctl.

# etcd HOST:PORT PATH [JSON]
etcd() {
  set -- "$1" "$2" "${3:-}" --noproxy '*' --connect-timeout 5 --max-time 15 --cacert "$PKI/etcd/ca.crt" \
    --cert "$PKI/etcd/healthcheck-client.crt" --key "$PKI/etcd/healthcheck-client.key"
  etcd_url="https://$1$2"
  etcd_body=$3
  shift 3
  [ -z "$etcd_body" ] || set -- "$@" --data "$etcd_body"
  etcd_answer=$(curl -sS --write-out '\n%{http_code}' "$@" "$etcd_url") || return 1
  case $etcd_answer in
    *'
200')
      printf '%s\n' "${etcd_answer%???}"
      ;;
    *)
      printf 'etcd at %s: %s\n' "$etcd_url" "$etcd_answer" | tr '\n' ' ' >&2
      return 1
      ;;
  esac
}

etcd_healthy() {
  etcd "$1" /health 2>/dev/null | grep -q '"health" *: *"true"'
}

# etcd_members HOST:PORT: lines `ID PEER-URL CLIENT-HOST:PORT VOTER NAME`; `-` is an empty field.
etcd_members() {
  etcd_list=$(etcd "$1" /v3/cluster/member/list '{"linearizable":true}') || return 1
  printf '%s\n' "$etcd_list" | sed -e 's/^.*"members" *: *\[//' | tr '{' '\n' | grep '"ID"' | while read -r member; do
    id=$(printf '%s' "$member" | sed -n 's/.*"ID" *: *"\([0-9]*\)".*/\1/p')
    name=$(printf '%s' "$member" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
    peer=$(printf '%s' "$member" | sed -n 's/.*"peerURLs" *: *\["\([^"]*\)".*/\1/p')
    client=$(printf '%s' "$member" | sed -n 's/.*"clientURLs" *: *\["https:\/\/\([^"]*\)".*/\1/p')
    voter=yes
    case $member in *'"isLearner":true'* | *'"isLearner": true'*) voter=no ;; esac
    printf '%s %s %s %s %s\n' "$id" "${peer:--}" "${client:--}" "$voter" "${name:--}"
  done
}

# HOST:PORT of a healthy member on another host. The own member lists them; it may be down.
healthy_other_etcd() {
  {
    etcd_members "$OWN_ETCD" 2>/dev/null | while read -r _ peer client _ _; do
      [ "$peer" = "$OWN_PEER" ] || [ "$client" = - ] || echo "$client"
    done
    others | while read -r _ _ client _; do
      echo "$client"
    done
  } | while read -r client; do
    if etcd_healthy "$client"; then
      echo "$client"
      break
    fi
  done
}

# remove_own_member HOST:PORT: asks that member to remove ours; succeeds when there is none.
remove_own_member() {
  etcd_members "$1" >"$RUN/own-member" || return 1
  own_id=$(while read -r id peer _; do
    [ "$peer" != "$OWN_PEER" ] || echo "$id"
  done <"$RUN/own-member")
  if [ -n "$own_id" ]; then
    etcd "$1" /v3/cluster/member/remove "{\"ID\":\"$own_id\"}" >/dev/null
  fi
}
