/**
 * The first Kubernetes whose kubeadm reads the configuration that the program writes, v1beta4:
 * https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
 */
const LEAST_KUBEADM = "1.31";

/** Sockets of the container runtimes that kubeadm supports. */
const RUNTIME_SOCKETS = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/cri-dockerd.sock",
];

/**
 * Sh lines: this host's kubeadm reads our configuration, and a container runtime listens.
 *
 * @param runtimeSeconds that the runtime may still take to start
 */
export const kubeadmChecks = (runtimeSeconds: number) => `if has kubeadm; then
  kubeadm_version=$(kubeadm version --output short 2>/dev/null | sed 's/^v//')
  [ "$(printf '%s\\n' ${LEAST_KUBEADM} "\${kubeadm_version:-0}" | sort -V | head -n 1)" = ${LEAST_KUBEADM} ] ||
    problem "kubeadm is version \${kubeadm_version:-unknown}, but ${LEAST_KUBEADM} or later is needed: it reads kubeadm.k8s.io/v1beta4" \\
      "install kubeadm, kubelet and kubectl ${LEAST_KUBEADM} or later"
fi
runtime_listens() {
  for socket in ${RUNTIME_SOCKETS.join(" ")}; do
    [ ! -S "$socket" ] || return 0
  done
  return 1
}
wait_for ${runtimeSeconds} runtime_listens || problem "no container runtime listens (looked for ${RUNTIME_SOCKETS.join(", ")})" "start one, for example systemctl enable --now containerd"`;
