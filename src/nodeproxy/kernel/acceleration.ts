import { join } from 'node:path'
import { textOf } from './errors.ts'
import type { Acceleration, FeatureState, KernelOptions, LoadReport } from './kernel.ts'
import type { LoadedObjects } from './load.ts'
import { verdictHook, verdictProgram } from './objects.ts'
import { askFionread } from './probe-fionread.ts'
import type { AcceleratedMode, Settings } from './settings.ts'

export interface AllowedModes {
  readonly modes: readonly AcceleratedMode[]
  /** Whether 'auto', which has to break no app, is among those that this kernel serves. */
  readonly auto: FeatureState
}

const name = 'acceleration auto'

/**
 * Which modes of acceleration this kernel serves, of those that are configured: none without the
 * programs, and 'auto' only where FIONREAD tells apps the truth, found out by moving bytes.
 */
export function allowedModes(options: KernelOptions, loaded: LoadedObjects): AllowedModes {
  // Without a verdict program a socket in the sockhash would only have the disadvantages; without
  // the other, kernel TLS could be asked for and clear text would leak.
  const lacking = loaded.rejected.verdict ?? loaded.rejected.sockopt
  if (lacking !== undefined) return { modes: [], auto: off(lacking) }
  const configured = options.settings.acceleration
  const lie = whyFionreadLies(options, loaded)
  if (lie === '') return { modes: configured, auto: { name, on: true, reason: '' } }
  return { modes: configured.filter((mode) => mode !== 'auto'), auto: off(lie) }
}

/**
 * Why a pod that asks for this mode is served as with 'off'; empty when it has what it asks for.
 */
export function whyNotAccelerated(
  report: LoadReport,
  settings: Settings,
  asked: Acceleration,
): string {
  if (asked === 'off' || settings.acceleration.includes(asked)) return ''
  const states = report.features.filter((state) => !state.on)
  const told = asked === 'auto' ? states.find((state) => state.name === name) : undefined
  const programs = states.find((one) => one.name === 'acceleration' || one.name === 'setsockopt')
  return (told ?? programs)?.reason ?? `mode ${asked} is not allowed on this node`
}

function off(reason: string): FeatureState {
  return { name, on: false, reason }
}

/** Empty when it does not, and when there is no program to ask with. */
function whyFionreadLies({ native, objectDir }: KernelOptions, loaded: LoadedObjects): string {
  // A sockhash of its own: the node's may be full, and its verdicts count.
  const { sockets: _sockets, verdicts: _verdicts, ...reuse } = loaded.maps
  using opened = new DisposableStack()
  try {
    const file = join(objectDir, `${verdictHook.object}.bpf.o`)
    const maxEntries = { sockets: 2 }
    const scratch = native.bpfLoad(file, { reuse, maxEntries, skip: [verdictProgram] })
    opened.defer(() => scratch.close())
    const { sockets } = scratch.maps
    const entry = scratch.programs[verdictHook.program]
    if (sockets === undefined || entry === undefined) {
      throw new Error(`${file} lacks its map or program: rebuild the BPF objects`)
    }
    native.bpfProgAttach(entry, sockets, verdictHook.attachType)
    const netns = native.netnsCreate([])
    opened.defer(() => native.closeFd(netns))
    const { waiting, reported } = askFionread(native, sockets, netns)
    if (reported === waiting) return ''
    return (
      'FIONREAD on accelerated sockets does not count bytes that came by TCP on this kernel ' +
      `(${reported} of ${waiting}), and nginx relies on it: pods that ask for auto get off`
    )
  } catch (error) {
    return `this kernel could not be asked what FIONREAD counts: ${textOf(error)}`
  }
}
