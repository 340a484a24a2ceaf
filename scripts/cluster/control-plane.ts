import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { POD_NETWORK_V4, POD_NETWORK_V6, routerAddresses } from '../../src/lab/net/addresses.ts'
import { clusterPaths } from './names.ts'
import type { Service } from './place.ts'
import { kubeconfigFor } from './pki.ts'

export const SERVICE_NETWORKS = '10.96.0.0/16,fd00:10:96::/112'
export const POD_NETWORKS = `${POD_NETWORK_V4},${POD_NETWORK_V6}`

/** Where all machines of the cluster find the API server. */
export function apiServerAddress(): string {
  return `https://${routerAddresses(true).v4}:6443`
}

/** In the order of starting. */
export const controlServices = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
]

/** @param bin folder of the programs */
export function controlService(cluster: string, name: string, bin: string): Service {
  const make = { etcd, 'kube-apiserver': apiServer, 'kube-controller-manager': controllers }[name]
  const flags = make === undefined ? scheduler(cluster) : make(cluster)
  return { name, argv: [join(bin, name), ...flags.map((flag) => `--${flag}`)] }
}

/** Of programs of the control plane and of kube-proxy. */
export function writeKubeconfig(cluster: string, file: string, user: string): void {
  const { pki } = clusterPaths(cluster)
  writeFileSync(file, kubeconfigFor(pki, user, apiServerAddress()), { mode: 0o600 })
}

function etcd(cluster: string): readonly string[] {
  return [
    `data-dir=${clusterPaths(cluster).etcd}`,
    'listen-client-urls=http://127.0.0.1:2379',
    'advertise-client-urls=http://127.0.0.1:2379',
    'listen-peer-urls=http://127.0.0.1:2380',
    // A cluster to test with need not outlive the machine's power.
    'unsafe-no-fsync',
  ]
}

function apiServer(cluster: string): readonly string[] {
  const { pki } = clusterPaths(cluster)
  const at = (file: string) => join(pki, file)
  return [
    'etcd-servers=http://127.0.0.1:2379',
    `advertise-address=${routerAddresses(true).v4}`,
    'secure-port=6443',
    `service-cluster-ip-range=${SERVICE_NETWORKS}`,
    `tls-cert-file=${at('server.crt')}`,
    `tls-private-key-file=${at('server.key')}`,
    `client-ca-file=${at('ca.crt')}`,
    `token-auth-file=${at('tokens.csv')}`,
    'authorization-mode=Node,RBAC',
    'enable-admission-plugins=NodeRestriction',
    'allow-privileged=true',
    'service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `service-account-key-file=${at('service-accounts.pub')}`,
    `service-account-signing-key-file=${at('service-accounts.key')}`,
    `kubelet-client-certificate=${at('kubelet-client.crt')}`,
    `kubelet-client-key=${at('kubelet-client.key')}`,
    // Node names are no names of a DNS server here: logs and exec would fail.
    'kubelet-preferred-address-types=InternalIP',
  ]
}

function clientFlags(cluster: string, name: string): readonly string[] {
  const file = join(clusterPaths(cluster).pki, `${name}.kubeconfig`)
  writeKubeconfig(cluster, file, `system:${name}`)
  return [
    `kubeconfig=${file}`,
    `authentication-kubeconfig=${file}`,
    `authorization-kubeconfig=${file}`,
    'leader-elect=false',
  ]
}

function controllers(cluster: string): readonly string[] {
  const { pki } = clusterPaths(cluster)
  return [
    ...clientFlags(cluster, 'kube-controller-manager'),
    'use-service-account-credentials=true',
    `service-account-private-key-file=${join(pki, 'service-accounts.key')}`,
    `root-ca-file=${join(pki, 'ca.crt')}`,
    `cluster-signing-cert-file=${join(pki, 'ca.crt')}`,
    `cluster-signing-key-file=${join(pki, 'ca.key')}`,
    // Nodes come with theirs, so that addresses are the same each time.
    'allocate-node-cidrs=false',
    `cluster-cidr=${POD_NETWORKS}`,
    `service-cluster-ip-range=${SERVICE_NETWORKS}`,
  ]
}

function scheduler(cluster: string): readonly string[] {
  return clientFlags(cluster, 'kube-scheduler')
}
