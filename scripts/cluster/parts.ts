/** The version of Kubernetes that the cluster runs; modules/kubernetes/go.mod requires it. */
export const kubernetesVersion = 'v1.36.3'

/** Builds everything; the go.mod files ask for no newer one. */
export const goVersion = 'go1.26.8'

/** A program of the cluster that is built from source. */
export interface Part {
  /** The file's name in the cache's bin folder. */
  readonly name: string
  /** A folder of modules/: versions and checksums of everything that the part is built from. */
  readonly module: string
  readonly package: string
  /** Variables that a release build would set by `-X`. */
  readonly variables?: Readonly<Record<string, string>>
}

const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(kubernetesVersion) ?? []

/** Without them kubectl version and helm stumble over v0.0.0-master+$Format. */
const kubernetesVariables = {
  'k8s.io/component-base/version.gitVersion': kubernetesVersion,
  'k8s.io/component-base/version.gitMajor': major,
  'k8s.io/component-base/version.gitMinor': minor,
  'k8s.io/component-base/version.gitTreeState': 'clean',
  'k8s.io/component-base/version.buildDate': '1970-01-01T00:00:00Z',
}

const kubernetes = (name: string): Part => ({
  name,
  module: 'kubernetes',
  package: `k8s.io/kubernetes/cmd/${name}`,
  variables: kubernetesVariables,
})

const containerd = (name: string): Part => ({
  name,
  module: 'containerd',
  package: `github.com/containerd/containerd/v2/cmd/${name}`,
  variables: { 'github.com/containerd/containerd/v2/version.Version': 'v2.4.2' },
})

/** Big ones first: what goes wrong goes wrong early, and later ones reuse what they compiled. */
export const parts: readonly Part[] = [
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kubelet'),
  kubernetes('kube-scheduler'),
  kubernetes('kube-proxy'),
  kubernetes('kubectl'),
  containerd('containerd'),
  containerd('containerd-shim-runc-v2'),
  containerd('ctr'),
  { name: 'etcd', module: 'etcd', package: 'go.etcd.io/etcd/server/v3' },
  { name: 'coredns', module: 'coredns', package: '.' },
  {
    name: 'helm',
    module: 'helm',
    package: 'helm.sh/helm/v3/cmd/helm',
    variables: {
      'helm.sh/helm/v3/internal/version.version': 'v3.22.0',
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': major,
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': minor,
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': major,
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': minor,
    },
  },
  { name: 'pause', module: 'programs', package: './pause' },
  { name: 'relay', module: 'programs', package: './relay' },
]
