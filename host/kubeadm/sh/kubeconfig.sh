if [ ! -s /etc/kubernetes/admin.conf ]; then
  fail "there is no /etc/kubernetes/admin.conf on this host: it is not a control-plane node; bootstrap it first"
fi
cat /etc/kubernetes/admin.conf
