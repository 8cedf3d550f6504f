# Makes the load balancer's objects in a new cluster. Later changes are the program's, which takes
# them over.

make_objects() {
  (
    umask 077
    rm -rf "$RUN"
    mkdir "$RUN"
    trap 'rm -rf "$RUN"' EXIT
    wait_for 300 own_api_ready ||
      fail "the API server of this host, https://$OWN_API/readyz, is not ready after 300 s: see journalctl -u kubelet"
    # a wiped first machine must not bring the objects of its first day back
    wait_for 60 read_mark || fail_with_answer "does not show ConfigMap $NAMESPACE/$BACKENDS"
    if [ "$(cat "$RUN/mark")" = true ]; then
      say "the cluster has its objects"
      return
    fi
    pieces | while read -r piece manager; do
      "$piece" >"$RUN/$piece.yaml"
      wait_for 120 apply_piece "$piece" "$manager" || fail_with_answer "refuses objects"
    done
    say "the objects of the load balancer are in the cluster"
  )
}

read_mark() {
  kube "$OWN_API" --namespace "$NAMESPACE" get configmap "$BACKENDS" --ignore-not-found \
    --output "jsonpath={.metadata.annotations['$IN_USE_ANNOTATION']}" >"$RUN/mark" 2>"$RUN/answer"
}

# Each field has one manager, which the program then uses too: so nothing conflicts, and what it
# drops goes.
apply_piece() { # piece, manager
  kube "$OWN_API" apply --server-side --field-manager "$2" --filename "$RUN/$1.yaml" >"$RUN/answer" 2>&1
}

fail_with_answer() {
  tail -n 10 "$RUN/answer" >&2
  fail "the API server of this host $1: see above; what it took stays. Run this again when the cause is gone"
}
