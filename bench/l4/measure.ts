import { cpuUsedUs } from './cpu.ts'
import type { Topology } from './report.ts'
import type { Measurement, Workload } from './workloads.ts'
import type { PeerPods } from './world.ts'

const GRACE_MS = 60_000

/** One run of one workload with one peer. `alsoInPath`: cgroups of proxies outside the two pods. */
export async function measure(
  pods: PeerPods,
  topology: Topology,
  workload: Workload,
  load: string,
  seconds: number,
  alsoInPath: readonly string[],
): Promise<Measurement> {
  const { address, port } = pods.target[topology]
  const server = pods.servers[topology]
  const cgroups = [pods.client.cgroup, server.cgroup, ...alsoInPath]
  const argv = [load, ...workload.argv(address, port + workload.portOffset, seconds)]
  const before = cpuUsedUs(cgroups)
  const { stdout } = await pods.client.exec(argv, { timeoutMs: seconds * 1000 + GRACE_MS })
  return workload.read(stdout, cpuUsedUs(cgroups) - before)
}
