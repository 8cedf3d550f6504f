# Removes a CA that we created and that no cluster has used.

remove_unused_ca() {
  if [ -e "$CA_CREATED" ] && [ ! -e "$ADMIN" ] && [ ! -e "$KUBELET" ]; then
    if [ -e "$PKI/ca.crt" ] && [ "$(cat "$CA_CREATED")" = "$(sha256sum <"$PKI/ca.crt")" ]; then
      rm -f "$PKI/ca.crt" "$PKI/ca.key"
    fi
    rmdir "$PKI" 2>/dev/null || :
  fi
  rm -f "$CA_CREATED"
  rmdir "$STATE" 2>/dev/null || :
}
