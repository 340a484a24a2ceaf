import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Kernel } from '../kernel/kernel.ts'
import { openKernel } from '../kernel/open.ts'
import { defaultSettings } from '../kernel/settings.ts'
import { loadNative, type Native } from '../native.ts'
import { ownCgroupId } from './node-facts.ts'
import type { NodeProxyOptions } from './options.ts'

/**
 * What a restart needs first: with hooks and heartbeat there, new connections wait in the kept
 * listeners until the rest of the process is loaded. So this imports as little as it can.
 */
export interface Early {
  readonly native: Native
  readonly kernel: Kernel
  readonly generation: number
  /** Calling it again changes nothing. */
  readonly stopHeartbeat: () => void
}

/** Objects that `npm run build` made. */
const objectDir = fileURLToPath(new URL('../../../build/bpf', import.meta.url))
const beatMs = 100

/** @throws Error that names what could not be had, why, and the fix; nothing is left of it then */
export function openEarly(options: NodeProxyOptions): Early {
  const native = loadNative()
  mkdirSync(options.state, { recursive: true, mode: 0o700 })
  const cgroupId = ownCgroupId(options.proc)
  const kernel = openNodeKernel(options, native)
  try {
    const generation = kernel.claimGeneration(cgroupId)
    const heartbeat = native.heartbeatStart(kernel.fds.generationsMapFd, generation, beatMs)
    let beating = true
    const stopHeartbeat = (): void => {
      if (beating) heartbeat.stop()
      beating = false
    }
    return { native, kernel, generation, stopHeartbeat }
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
    settings: defaultSettings,
  })
}
