# Where every control-plane node has the cluster's keys from the start, and nobody issues any.

# A cluster that answers is joined, also by the init node: a wiped first machine finds its cluster
# again. The init node creates one only where nothing answers.
join_or_create() {
  if [ "$INIT_NODE" = yes ] && [ -z "$(what_answers)" ]; then
    check_may_create
    run_init
    return
  fi
  say "waits up to $((CLUSTER_SECONDS / 60)) minutes until the cluster answers at $ENDPOINT"
  wait_for "$CLUSTER_SECONDS" cluster_is_reachable || fail_unreachable
  run_join
}

# As `open_endpoint` needs it: the endpoint answers, or it is this host and another node answers.
cluster_is_reachable() {
  answers_with "$RUN/ca.crt" "$ENDPOINT" || { [ -n "$(own_endpoint_address)" ] && [ -n "$(live_other_api)" ]; }
}

fail_unreachable() {
  found=$(what_answers)
  case $found in
    '') hint="See why no control-plane node serves: the first one by name makes the cluster, and its console shows how far it is" ;;
    *) hint="${found% *} answers, but not as an API server with a certificate of this cluster's CA: use user data of that cluster, or free the address" ;;
  esac
  fail "no API server of this cluster has answered at $ENDPOINT within $((CLUSTER_SECONDS / 60)) minutes; nothing was changed. $hint. Then run this again"
}
