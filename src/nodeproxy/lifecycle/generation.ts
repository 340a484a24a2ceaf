import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Kernel } from '../kernel/kernel.ts'
import { openKernel } from '../kernel/open.ts'
import { defaultSettings } from '../kernel/settings.ts'
import { loadNative, type Native } from '../native.ts'
import { ownCgroupId } from './find-cgroups.ts'
import type { NodeProxyOptions } from './options.ts'

/** This process as a generation of the node's proxy: hooks, maps, and a beat of its own. */
export interface Generation {
  readonly native: Native
  readonly kernel: Kernel
  readonly generation: number
  /**
   * From the first beat on hooks send connections here: so not before they are served. Beats until
   * it is stopped; both may be called again and change nothing then.
   */
  readonly startHeartbeat: () => void
  readonly stopHeartbeat: () => void
}

/** Objects that `npm run build` made. */
const objectDir = fileURLToPath(new URL('../../../build/bpf', import.meta.url))
const beatMs = 100

/** @throws Error that names what could not be had, why, and the fix; nothing is left of it then */
export function openGeneration(options: NodeProxyOptions): Generation {
  const native = loadNative()
  mkdirSync(options.state, { recursive: true, mode: 0o700 })
  const cgroupId = ownCgroupId(options.proc)
  const kernel = openNodeKernel(options, native)
  try {
    const generation = kernel.claimGeneration(cgroupId)
    let heartbeat: { stop(): void } | undefined
    let stopped = false
    return {
      native,
      kernel,
      generation,
      startHeartbeat() {
        if (stopped) return
        heartbeat ??= native.heartbeatStart(kernel.fds.generationsMapFd, generation, beatMs)
      },
      stopHeartbeat() {
        if (!stopped) heartbeat?.stop()
        stopped = true
      },
    }
  } catch (error) {
    kernel.close()
    throw error
  }
}

function openNodeKernel(options: NodeProxyOptions, native: Native): Kernel {
  if (!existsSync(objectDir)) {
    throw new Error(`there are no kernel programs in ${objectDir}; run \`npm run build\``)
  }
  const { bpffs: bpffsDir, node, kubepods: podsCgroupDir, kubeletCgroup } = options
  return openKernel({
    native,
    objectDir,
    bpffsDir,
    node,
    podsCgroupDir,
    ...(kubeletCgroup === undefined ? {} : { probeCgroupDir: kubeletCgroup }),
    settings: { ...defaultSettings, beatMaxAgeMs: options.beatMaxAgeMs },
    recordPath: join(options.state, 'kernel.json'),
  })
}
