# Puts the certificates and keys that all control-plane nodes share in place, before kubeadm.

put_shared_keys() {
  if has_cluster_files; then
    say "this host has files of a cluster: its keys stay"
    return
  fi
  key_files | while read -r name mode; do
    check_key_file "$name"
  done
  key_files | while read -r name mode; do
    put_key_file "$name" "$mode"
  done
  say "the cluster's certificates and keys are in $PKI"
}

# Another CA means another cluster, whose nodes would trust nothing that this one issues.
check_key_file() {
  [ -e "$PKI/$1" ] || return 0
  key_file "$1" | cmp -s - "$PKI/$1" ||
    fail "there is another $PKI/$1 on this host: it is not of this cluster; nothing was changed. If the host may leave the other cluster: kubeadm reset -f, rm -r $PKI, then run this again"
}

put_key_file() { # name, mode
  file=$PKI/$1
  [ ! -e "$file" ] || return 0
  mkdir -p "${file%/*}"
  (umask 077 && key_file "$1" >"$file.new")
  chmod "$2" "$file.new"
  sync "$file.new"
  mv "$file.new" "$file"
}
