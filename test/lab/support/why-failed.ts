import type { LabNodeProxy } from '../../../src/lab/node-proxy.ts'
import type { LabPod } from '../../../src/lab/pod.ts'

const told = /reactor|refus|pool|overflow|connections|counter/u
const WARNING = 40
const lastLines = 20

/** What the proxy and the pods' kernels counted and said, for the message of a failure. */
export async function whyFailed(proxy: LabNodeProxy, pods: readonly LabPod[]): Promise<string> {
  const { samples } = await proxy.metrics()
  const counted = samples
    .filter(({ name, value }) => value !== 0 && told.test(name))
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`)
  const warned = proxy
    .logs()
    .filter(({ level }) => Number(level) >= WARNING)
    .slice(-lastLines)
    .map((line) => JSON.stringify(line))
  const kernels = await Promise.all(
    pods.map(async (pod) => `${pod.name}:\n${nonZero((await pod.exec(['nstat', '-asz'])).stdout)}`),
  )
  return [...counted, ...warned, ...kernels].join('\n')
}

function nonZero(nstat: string): string {
  const lines = nstat.split('\n').filter((line) => line.startsWith('Tcp'))
  return lines.filter((line) => !/^\S+\s+0\s/u.test(line)).join('\n')
}
