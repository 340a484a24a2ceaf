import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { nodeAddresses, podCidrs } from '../../src/lab/net/addresses.ts'
import { POD_NETWORKS, writeKubeconfig } from './control-plane.ts'
import { nodeIndex } from './machines.ts'
import { clusterPaths, nodeFolder } from './names.ts'
import type { Service } from './place.ts'
import { copyFileSync } from 'node:fs'

/** In the order of starting. */
export const nodeServices = ['containerd', 'kubelet', 'kube-proxy']

/** Of every pod's sandbox; made from our own pause program. */
export const PAUSE_IMAGE = 'localhost/pause:1'
export const DNS_SERVICE = '10.96.0.10'

/** Where the node's namespaces have the programs. */
const PARTS = '/run/parts'

/** Paths are the node's own. */
export function nodeService(node: string, name: string): Service {
  const env = { PATH: `${PARTS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` }
  return { name, argv: [join(PARTS, name), ...flagsOf(node, name)], env }
}

function flagsOf(node: string, name: string): readonly string[] {
  if (name === 'containerd') return ['--config', '/etc/containerd/config.toml']
  if (name === 'kube-proxy') return ['--config', '/etc/kubernetes/kube-proxy.json']
  const { v4, v6 } = nodeAddresses(nodeIndex(node), true)
  return [
    '--config=/etc/kubernetes/kubelet.json',
    '--kubeconfig=/etc/kubernetes/kubelet.kubeconfig',
    `--node-ip=${v4},${v6}`,
  ]
}

/** Writes what a node's services read into its `/etc`, before it boots. */
export function configureNode(cluster: string, node: string): void {
  const etc = join(nodeFolder(cluster, node), 'etc')
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(etc, path)), { recursive: true })
    writeFileSync(join(etc, path), text)
  }
  write('containerd/config.toml', containerdConfig())
  write('cni/net.d/10-sluice.conflist', `${JSON.stringify(podNetwork(node), undefined, 2)}\n`)
  write('kubernetes/kubelet.json', `${JSON.stringify(kubeletConfig(), undefined, 2)}\n`)
  write('kubernetes/kube-proxy.json', `${JSON.stringify(kubeProxyConfig(node), undefined, 2)}\n`)
  const kubernetes = join(etc, 'kubernetes')
  copyFileSync(join(clusterPaths(cluster).pki, 'ca.crt'), join(kubernetes, 'ca.crt'))
  writeKubeconfig(cluster, join(kubernetes, 'kubelet.kubeconfig'), `system:node:${node}`)
  writeKubeconfig(cluster, join(kubernetes, 'kube-proxy.kubeconfig'), 'system:kube-proxy')
}

function containerdConfig(): string {
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'

[grpc]
address = '/run/containerd/containerd.sock'

[plugins.'io.containerd.cri.v1.images']
snapshotter = 'overlayfs'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${PAUSE_IMAGE}'

[plugins.'io.containerd.cri.v1.runtime']
# Machines without CAP_SYS_RESOURCE can not lower a score; runc would fail without saying why.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni']
conf_dir = '/etc/cni/net.d'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '/usr/sbin/runc'
SystemdCgroup = false
`
}

/**
 * A link and a host route a pod, no bridge: traffic between pods of one node passes its forwarding
 * chains too, where NetworkPolicy stands.
 */
function podNetwork(node: string) {
  const { v4, v6 } = podCidrs(nodeIndex(node), true)
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: v4 }], [{ subnet: v6 }]],
          routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
}

function kubeletConfig() {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // The machine's name servers are not reachable from the cluster.
    resolvConf: '',
    clusterDNS: [DNS_SERVICE],
    clusterDomain: 'cluster.local',
    registerNode: true,
    // However full the machine's disk is, pods stay, and images that no registry has.
    evictionHard: {
      'imagefs.available': '0%',
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  }
}

function kubeProxyConfig(node: string) {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: node,
    clientConnection: { kubeconfig: '/etc/kubernetes/kube-proxy.kubeconfig' },
    clusterCIDR: POD_NETWORKS,
    detectLocalMode: 'ClusterCIDR',
    // 0: the machine's own settings stay.
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: '0s',
      tcpCloseWaitTimeout: '0s',
      udpTimeout: '0s',
      udpStreamTimeout: '0s',
    },
  }
}
