import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Kernel } from '../kernel/kernel.ts'
import { openKernel } from '../kernel/open.ts'
import { defaultSettings } from '../kernel/settings.ts'
import { loadNative, type Native } from '../native.ts'
import type { NodeLog } from '../telemetry/log.ts'
import { ownCgroupId } from './node-facts.ts'
import { serve } from './node-proxy.ts'
import type { NodeProxyOptions } from './options.ts'
import { openConfig } from './open-config.ts'
import { openParts } from './parts.ts'

/** Objects that `npm run build` made. */
const objectDir = fileURLToPath(new URL('../../../build/bpf', import.meta.url))
const beatMs = 100

/** Runs until a signal has ended it in order. @throws Error when it cannot start or cannot go on */
export async function runNodeProxy(options: NodeProxyOptions, log: NodeLog): Promise<void> {
  const ended = Promise.withResolvers<void>()
  await using undo = new AsyncDisposableStack()
  const native = loadNative()
  mkdirSync(options.state, { recursive: true, mode: 0o700 })
  const kernel = openNodeKernel(options, native)
  undo.defer(() => kernel.close())
  const generation = kernel.claimGeneration(ownCgroupId(options.proc))
  const heartbeat = onceStopped(
    native.heartbeatStart(kernel.fds.generationsMapFd, generation, beatMs),
  )
  undo.defer(() => heartbeat.stop())
  const store = openConfig(options, log)
  undo.defer(() => store.close())
  const base = { options, log, native, kernel, generation, store }
  const parts = await openParts(base, undo, ended.reject)
  const proxy = await serve(parts, heartbeat, undo)
  const onSignal = (signal: NodeJS.Signals): void => {
    log.logger.info({ signal }, 'stopping')
    void proxy.drain().then(ended.resolve, ended.reject)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, onSignal)
  void proxy.drained.then(ended.resolve, ended.reject)
  await ended.promise
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

function onceStopped(heartbeat: { stop(): void }): { stop(): void } {
  let stopped = false
  return {
    stop() {
      if (!stopped) heartbeat.stop()
      stopped = true
    },
  }
}
