# Paths of kubeadm and of ours.

# shellcheck disable=SC2034 # no script uses all of them
{
  PKI=/etc/kubernetes/pki
  MANIFESTS=/etc/kubernetes/manifests
  ADMIN=/etc/kubernetes/admin.conf
  KUBELET=/etc/kubernetes/kubelet.conf
  ETCD_DATA=/var/lib/etcd

  # Written before kubeadm changes the host, removed at success: what it leaves behind is ours.
  KUBEADM_STARTED="$STATE/kubeadm-started"
  # kubeadm succeeded: from here on nothing on this host is reset and retried.
  KUBEADM_DONE="$STATE/kubeadm-done"
  # The host has left its cluster: its files are to be cleared.
  KUBEADM_LEAVING="$STATE/kubeadm-leaving"
  # The API server's manifest while its node leaves: kubelet has stopped it.
  STOPPED_API_SERVER="$STATE/kube-apiserver.yaml"
  # Copies of what users placed for kubeadm before it ran.
  USER_FILES="$STATE/user-files"
  # Hash of a CA that exists before its cluster.
  CA_CREATED="$STATE/ca-created"
}

# Control-plane nodes reach each other directly, never through a proxy for outbound traffic.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
