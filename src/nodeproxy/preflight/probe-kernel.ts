import { findArtefacts } from './artefacts.ts'
import { type Answer, type Ask, passed } from './ask.ts'
import { readEnvironment } from './environment.ts'
import { loadNative, type Native } from '../native.ts'
import { probeDataPath } from './probes/data-path.ts'
import { probeHooks } from './probes/hooks.ts'
import { probeBpffs, probeCgroup2, probeKubepods } from './probes/mounts.ts'
import { probeNetns } from './probes/netns.ts'
import { probeNetnsCookie } from './probes/netns-cookie.ts'
import { probePrograms } from './probes/programs.ts'
import { probeSocketsInKernel } from './probes/sockets-in-kernel.ts'
import { probeTracepoints } from './probes/tracepoints.ts'
import { createLoader, createStage, type Loader, mapOf, programOf } from './stage.ts'

/**
 * Asks every question that takes a kernel to answer, in the catalogue's order.
 * @param scene takes whatever has to be undone at the end, also at an early one
 */
export async function probeKernel(
  ask: Ask,
  scene: DisposableStack,
  kubepods: string | undefined,
): Promise<void> {
  const { mounts } = readEnvironment()
  const addon = await ask('addon', findAddon)
  const loader = addon && scene.use(createLoader(addon.native, addon.objectDir))
  const query = loader && (await ask('btf', () => probeBtf(loader)))
  const cgroup2 = await ask('cgroup2', () => probeCgroup2(mounts))
  if (cgroup2) {
    scene.defer(() => cgroup2.scratch.leave())
    await ask('kubepods', () => probeKubepods(cgroup2.mountPoint, kubepods))
  }
  if (!addon || !loader) return
  const bpffs = await ask('bpffs', () =>
    probeBpffs(addon.native, mounts, mapOf(loader.load('probe-query'), 'probe_addresses')),
  )
  const netns = await probeNetns(ask, addon.native)
  if (netns) scene.defer(() => addon.native.closeFd(netns.fd))
  const stage =
    cgroup2 &&
    netns &&
    scene.use(
      createStage({
        native: addon.native,
        loader,
        cgroupPath: cgroup2.scratch.path,
        netnsFd: netns.fd,
      }),
    )
  if (stage && query !== undefined) {
    await probeHooks(ask, stage)
    await probeSocketsInKernel(ask, stage, query)
    await ask('netns-cookie', () => probeNetnsCookie(stage, netns.cookie))
    await probeTracepoints(ask, stage)
  }
  await probePrograms(ask, addon.native, addon.objectDir)
  if (!stage || bpffs === undefined) return
  await probeDataPath(ask, scene, {
    stage,
    objectDir: addon.objectDir,
    bpffs,
    cgroupPath: cgroup2.scratch.path,
    netnsCookie: netns.cookie,
    ipv6: netns.ipv6,
  })
}

function findAddon(): Answer<{ native: Native; objectDir: string }> {
  const { objectDir, addon } = findArtefacts()
  return passed(addon, { native: loadNative(), objectDir })
}

/** Loads a program whose field offsets come from the kernel's BTF. */
function probeBtf(loader: Loader): Answer<number> {
  return passed(
    'a program was fitted to it',
    programOf(loader.load('probe-query'), 'probe_query_queue'),
  )
}
