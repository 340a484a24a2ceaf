import type { Acceleration, Kernel } from '../../kernel/kernel.ts'
import { openKernel } from '../../kernel/open.ts'
import { defaultSettings } from '../../kernel/settings.ts'
import { type Answer, type Ask, failed, passed } from '../ask.ts'
import { scratchName } from '../scratch.ts'
import { errnoName, pattern, receiveAll, type SocketBench, sendThrough } from '../sockets.ts'
import type { Stage } from '../stage.ts'
import { addresses, ports } from './places.ts'

/** Few entries: the probe makes a handful of connections. */
const mapSizes = { pods: 16, origins: 256, bypasses: 64, sockets: 64, pairSlots: 64 }
const HEARTBEAT_MS = 100
const BACKLOG = 16
const POD_ID = 1
const PROBE_BYTES = 65_536
const IPPROTO_TCP = 0
const IPPROTO_MPTCP = 262
/** No process lives in it, so nothing here is taken for the proxy's own. */
const NO_CGROUP = 0xffff_ffff_ffffn

export interface DataPathPlace {
  readonly stage: Stage
  readonly objectDir: string
  readonly bpffs: string
  readonly cgroupPath: string
  readonly netnsCookie: bigint
  readonly ipv6: boolean
}

interface DataPath {
  readonly kernel: Kernel
  readonly outbound: Readonly<Record<4 | 6, number | undefined>>
  enrol(accelerate: Acceleration): void
}

/**
 * Runs the node proxy's own kernel part, from loading and pinning to taking it all away, on the
 * scratch namespace as its only pod, and sends connections through it. The probe itself is the app
 * and the proxy.
 */
export async function probeDataPath(
  ask: Ask,
  scene: DisposableStack,
  place: DataPathPlace,
): Promise<void> {
  const { stage } = place
  const path = await ask('data-path', async () => {
    const opened = await openDataPath(scene, place)
    const { finding } = await tryConnection(stage, opened, 4)
    return finding.status === 'ok' ? passed(finding.detail, opened) : { finding }
  })
  if (path === undefined) return
  await ask('data-path-ipv6', () => tryConnection(stage, path, 6))
  await ask('data-path-accelerated', () => tryAcceleration(stage, path))
  await ask('mptcp', () => tryMptcp(stage, path))
}

/** What it makes goes with the scene, also when the scene ends before this function does. */
async function openDataPath(scene: DisposableStack, place: DataPathPlace): Promise<DataPath> {
  const { native, netnsFd } = place.stage
  const node = scratchName()
  const kernel = openKernel({
    native,
    objectDir: place.objectDir,
    bpffsDir: place.bpffs,
    node,
    podsCgroupDir: place.cgroupPath,
    mapSizes,
    settings: defaultSettings,
  })
  scene.defer(() => kernel.uninstall())
  const generation = kernel.claimGeneration(NO_CGROUP)
  const beat = native.heartbeatStart(kernel.fds.generationsMapFd, generation, HEARTBEAT_MS)
  scene.defer(() => beat.stop())
  const listen = async (family: 4 | 6): Promise<number> => {
    const fd = await native.netnsListen(netnsFd, family, BACKLOG)
    scene.defer(() => native.closeFd(fd))
    return fd
  }
  const listeners = {
    outbound4: await listen(4),
    inbound4: await listen(4),
    ...(place.ipv6 ? { outbound6: await listen(6), inbound6: await listen(6) } : {}),
  }
  const enrol = (accelerate: Acceleration): void =>
    kernel.enrolPod({
      podId: POD_ID,
      netnsCookie: place.netnsCookie,
      netnsFd,
      ipv4: addresses[4].pod,
      ...(place.ipv6 ? { ipv6: addresses[6].pod } : {}),
      failClosed: true,
      accelerate,
      listeners,
    })
  kernel.goLive()
  enrol('off')
  const outbound = { 4: listeners.outbound4, 6: listeners.outbound6 }
  return { kernel, outbound, enrol }
}

/**
 * An app's connect to an address that exists nowhere: served by the proxy's listener, and told the
 * truth.
 */
async function tryConnection(stage: Stage, path: DataPath, family: 4 | 6): Promise<Answer<void>> {
  const { pod, service } = addresses[family]
  using sockets = stage.sockets()
  const { client, server } = await connectThrough(path, sockets, family, IPPROTO_TCP)
  const peer = stage.native.socketPeer(client)
  if (peer.address !== service || peer.port !== ports.service) {
    return failed(`the app is told ${peer.address} port ${peer.port}, not what it asked for`)
  }
  const local = stage.native.socketLocal(client)
  if (local.address !== pod) return failed(`the app's own address is ${local.address}, not ${pod}`)
  await exchange(stage, client, server)
  return passed(`asked for ${service}, served by the listener, told ${service}`, undefined)
}

async function tryAcceleration(stage: Stage, path: DataPath): Promise<Answer<void>> {
  const { native } = stage
  path.enrol('full')
  using sockets = stage.sockets()
  const { client, server } = await connectThrough(path, sockets, 4, IPPROTO_TCP)
  // Into an app only once it has read what came by TCP.
  await exchange(stage, client, server)
  const before = path.kernel.counters()
  const sent = native.socketSend(client, pattern(PROBE_BYTES))
  const waiting = path.kernel.queuedBytes(native.socketCookie(server))
  await receiveAll(native, server, sent)
  await exchange(stage, client, server)
  const after = path.kernel.counters()
  for (const name of ['verdictToLeg', 'verdictToApp'] as const) {
    if (after[name] === before[name]) return failed(`no byte was redirected (${name})`)
  }
  if (waiting === undefined) return failed("query_queue does not know the proxy's socket")
  if (waiting < sent) return failed(`query_queue says ${waiting} while ${sent} bytes waited`)
  return passed(`redirected both ways, ${waiting} bytes seen waiting`, undefined)
}

async function tryMptcp(stage: Stage, path: DataPath): Promise<Answer<void>> {
  const { native } = stage
  const offered = native.socketOpen(stage.netnsFd, 4, IPPROTO_MPTCP)
  if (offered < 0) {
    return passed(`not in this kernel (${errnoName(offered)}): who asks for it gets TCP`, undefined)
  }
  native.closeFd(offered)
  using sockets = stage.sockets()
  const { client, server } = await connectThrough(path, sockets, 4, IPPROTO_MPTCP)
  const peer = native.socketPeer(client)
  if (peer.address !== addresses[4].service) return failed(`the app is told ${peer.address}`)
  await exchange(stage, client, server)
  return passed('intercepted, and told what it asked for', undefined)
}

async function connectThrough(
  path: DataPath,
  sockets: SocketBench,
  family: 4 | 6,
  protocol: number,
): Promise<{ client: number; server: number }> {
  const listener = path.outbound[family]
  if (listener === undefined) throw new Error(`no listener of IPv${family}`)
  const client = sockets.connect(addresses[family].service, ports.service, protocol)
  return { client, server: await sockets.accept(listener) }
}

async function exchange(stage: Stage, one: number, other: number): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    await sendThrough(stage.native, from, to, pattern(PROBE_BYTES))
  }
}
