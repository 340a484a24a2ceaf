import { join } from 'node:path'
import type { LabNode } from '../node.ts'
import { runCommand } from '../process/command.ts'
import { enterArgv } from '../process/enter.ts'
import { startProcess } from '../process/process.ts'
import { BRIDGE, type Fabric } from './fabric.ts'
import { ipBatch } from './ip.ts'

/** Takes a fault away again; more than once is no error. */
export type Undo = () => Promise<void>

/**
 * The bridge stops forwarding for that node; its link stays up, as when a switch far away fails.
 */
export async function cutLink(fabric: Fabric, node: Pick<LabNode, 'port'>): Promise<Undo> {
  await setPortState(fabric, node.port, 'disabled')
  return () => setPortState(fabric, node.port, 'forwarding')
}

async function setPortState(
  fabric: Fabric,
  port: string,
  state: 'disabled' | 'forwarding',
): Promise<void> {
  const argv = ['bridge', 'link', 'set', 'dev', port, 'state', state]
  await runCommand(enterArgv({ netns: fabric.netns }, argv))
}

/**
 * Every frame to and from that node is that much later. Carried by a process, since many kernels
 * come without netem; good for tens of thousands of frames a second.
 * @param cgroup where that process runs
 */
export async function delayLink(
  fabric: Fabric,
  node: LabNode,
  delayMs: number,
  cgroup: string,
): Promise<Undo> {
  const [near, far] = [`${node.port}-a`, `${node.port}-b`]
  await ipBatch(fabric.netns, [
    `link add ${near} type veth peer name ${far}`,
    ...[near, far].map((name) => `link set ${name} addrgenmode none`),
    `link set ${near} up`,
    `link set ${far} master ${BRIDGE} up`,
    `link set ${node.port} nomaster`,
  ])
  const argv = ['python3', join(import.meta.dirname, 'delay.py'), node.port, near, `${delayMs}`]
  const carrier = startProcess(enterArgv({ netns: fabric.netns, cgroup }, argv))
  let undone = false
  const undo = async () => {
    if (undone) return
    undone = true
    await carrier.stop()
    await ipBatch(fabric.netns, [`link set ${node.port} master ${BRIDGE}`, `link delete ${near}`])
  }
  try {
    await carrier.waitForLine(/^carrying$/)
  } catch (error) {
    await undo()
    throw error
  }
  return undo
}
