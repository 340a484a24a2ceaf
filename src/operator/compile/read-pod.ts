import { type Fields, readFlag, readObject, readObjects, readText } from '../../model/fields.ts'
import type { PodFacts } from './facts.ts'
import { readIp } from './read-ip.ts'
import { readController, readMeta } from './read-meta.ts'

export function readPod(fields: Fields): PodFacts {
  const spec = readObject(fields, 'spec')
  const status = readObject(fields, 'status')
  const meta = readMeta(fields, 'Pod')
  const metadata = readObject(fields, 'metadata')
  return {
    ...meta,
    // The kubelet names a static pod's cgroup by the hash of its file, and not by its mirror's uid.
    uid: meta.annotations['kubernetes.io/config.mirror'] || readText(metadata, 'uid'),
    node: readText(spec, 'nodeName', ''),
    hostNetwork: readFlag(spec, 'hostNetwork', false),
    runtimeClass: readText(spec, 'runtimeClassName', ''),
    serviceAccount: readText(spec, 'serviceAccountName', 'default'),
    phase: readText(status, 'phase', 'Pending'),
    ready: readObjects(status, 'conditions').some(
      (condition) =>
        readText(condition, 'type') === 'Ready' && readText(condition, 'status') === 'True',
    ),
    ips: readObjects(status, 'podIPs').flatMap((entry) => readIp(entry, 'ip') ?? []),
    controller: readController(fields),
  }
}
