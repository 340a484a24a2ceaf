import { join } from 'node:path'
import type { BpfLoadOptions, BpfObject } from '../native.ts'
import { must, textOf } from './errors.ts'
import type { Acceleration, FeatureState, KernelOptions, LoadReport } from './kernel.ts'
import { u32Bytes } from './layout.ts'
import type { LoadedObjects } from './load.ts'
import { redirectObject, redirectProgram, verdictHook, verdictProgram } from './objects.ts'
import { askCharge, askFionread, type Charge } from './probe-sockets.ts'
import type { AcceleratedMode, Settings } from './settings.ts'

export interface AllowedModes {
  /** False: this kernel could not be asked, which the next start may be able to. */
  readonly known: boolean
  readonly modes: readonly AcceleratedMode[]
  /** Of acceleration as a whole; undefined: what its programs said when they were attached. */
  readonly all: FeatureState | undefined
  /** Whether 'auto', which has to break no app, is among those that this kernel serves. */
  readonly auto: FeatureState
}

const name = 'acceleration auto'

/**
 * Which modes of acceleration this kernel serves, of those that are configured, found out by moving
 * bytes: none without the programs or where redirected bytes are charged to nobody, and 'auto' only
 * where FIONREAD tells apps the truth.
 */
export function allowedModes(options: KernelOptions, loaded: LoadedObjects): AllowedModes {
  // Without a verdict program a socket in the sockhash would only have the disadvantages; without
  // the other, kernel TLS could be asked for and clear text would leak.
  const lacking = loaded.rejected.verdict ?? loaded.rejected.sockopt
  if (lacking !== undefined) return { ...unaccelerated, auto: off(lacking) }
  const configured = options.settings.acceleration
  const { asked, uncharged, lie } = askKernel(options, loaded)
  if (uncharged !== '') {
    const all = { name: 'acceleration', on: false, reason: uncharged } as const
    return { ...unaccelerated, known: asked, all, auto: off(uncharged) }
  }
  const auto = lie === '' ? ({ name, on: true, reason: '' } as const) : off(lie)
  const modes = configured.filter((mode) => mode !== 'auto' || auto.on)
  return { ...unaccelerated, modes, auto }
}

const unaccelerated = { known: true, modes: [], all: undefined } as const

/** What the programs said when they were attached, and what this kernel does with them. */
export function withAcceleration(
  attached: readonly FeatureState[],
  { all, auto }: AllowedModes,
): readonly FeatureState[] {
  return [...attached.map((one) => (one.name === all?.name ? all : one)), auto]
}

/** What may be set where these are the features: modes that cannot be served are none. */
export function possibleSettings(features: readonly FeatureState[], settings: Settings): Settings {
  const needed: readonly FeatureState['name'][] = ['acceleration', 'setsockopt']
  const lacking = features.some((one) => !one.on && needed.includes(one.name))
  return lacking ? { ...settings, acceleration: [] } : settings
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

/** Reasons; empty where there is none. */
interface Findings {
  readonly asked: boolean
  readonly uncharged: string
  readonly lie: string
}

function askKernel({ native, objectDir }: KernelOptions, loaded: LoadedObjects): Findings {
  // A sockhash of its own: the node's may be full, and its verdicts count.
  const { sockets: _sockets, verdicts: _verdicts, counters: _counters, ...reuse } = loaded.maps
  using opened = new DisposableStack()
  const load = (object: string, options: Omit<BpfLoadOptions, 'maxEntries'>): BpfObject => {
    const file = join(objectDir, `${object}.bpf.o`)
    const scratch = native.bpfLoad(file, { ...options, maxEntries: { sockets: 2 } })
    opened.defer(() => scratch.close())
    return scratch
  }
  try {
    const { maps, programs } = load(verdictHook.object, { reuse, skip: [verdictProgram] })
    const { sockets, verdicts } = maps
    const entry = programs[verdictHook.program]
    const redirect = load(redirectObject, { reuse: maps }).programs[redirectProgram]
    if (sockets === undefined || verdicts === undefined) throw incomplete(verdictHook.object)
    if (entry === undefined || redirect === undefined) throw incomplete(redirectObject)
    native.bpfProgAttach(entry, sockets, verdictHook.attachType)
    const netns = native.netnsCreate([])
    opened.defer(() => native.closeFd(netns))
    // Without a verdict first: everything goes by TCP.
    const { waiting, reported } = askFionread(native, sockets, netns)
    const put = native.bpfMapUpdate(verdicts, u32Bytes(0), u32Bytes(redirect), 0)
    must('put the probe into verdicts[0]', put)
    const charge = askCharge(native, sockets, netns)
    return {
      asked: true,
      uncharged: charge.charged >= charge.waiting ? '' : unchargedReason(charge),
      lie: reported === waiting ? '' : lieReason(waiting, reported),
    }
  } catch (error) {
    const reason = `this kernel could not be asked what it counts: ${textOf(error)}`
    return { asked: false, uncharged: reason, lie: reason }
  }
}

function incomplete(object: string): Error {
  return new Error(`${object}.bpf.o lacks its map or program: rebuild the BPF objects`)
}

function unchargedReason({ waiting, charged }: Charge): string {
  return (
    'this kernel does not charge redirected bytes to the socket that they wait in ' +
    `(${charged} for ${waiting}), so that a slow reader's queue would have no bound; ` +
    'use 6.1.123, 6.12.8 or newer'
  )
}

function lieReason(waiting: number, reported: number): string {
  return (
    'FIONREAD on accelerated sockets does not count bytes that came by TCP on this kernel ' +
    `(${reported} of ${waiting}), and nginx relies on it: pods that ask for auto get off`
  )
}
