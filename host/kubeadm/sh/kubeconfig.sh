if [ ! -s /etc/kubernetes/admin.conf ]; then
  fail "there is no /etc/kubernetes/admin.conf on this host: it is no master; run its bootstrap first"
fi
cat /etc/kubernetes/admin.conf
