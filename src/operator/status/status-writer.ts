import { createBackOff } from '../../model/back-off.ts'
import { sameData } from '../../model/equal.ts'
import { type Problem, formatProblem } from '../compile/problem.ts'
import type { MeshFacts } from '../foreign/mesh.ts'
import { createMeshWriter } from '../foreign/mesh-writer.ts'
import { isStatus, type KubeApi } from '../kube/api.ts'
import type { ObjectVersion } from '../kube/sources.ts'
import { createRateLimit, type Rate } from '../publish/rate-limit.ts'
import { createRouteWriter, type RoutesToTell } from './route-writer.ts'
import { acceptedCondition, type Condition, wordsOf } from './conditions.ts'
import { writeEvent } from './event.ts'

export interface StatusWriterOptions {
  readonly api: KubeApi
  /** Who reports, in Events. */
  readonly podName: string
  readonly problems: () => readonly Problem[]
  /** Where the problem does not say it. */
  readonly uidOf?: (problem: Problem) => string | undefined
  /** The MeshConfigs that the problems are of, by name. */
  readonly meshConfigs: () => ReadonlyMap<string, ObjectVersion>
  /** XMeshes that are Sluice's. */
  readonly meshes: () => readonly MeshFacts[]
  readonly routes: () => RoutesToTell
  readonly onError?: (error: Error) => void
  /** Of Events: a cluster full of faults must not become the API server's. */
  readonly rate?: Rate
  /** What is solved by then was only on its way, as a slice whose pod has not been heard of yet. */
  readonly settleMs?: number
}

/** Tells on the objects themselves what is wrong with them; for one operator of all. */
export interface StatusWriter {
  /** Only who leads writes. */
  lead(leading: boolean): void
  /** There may be something new to tell. */
  changed(): void
  stop(): void
}

const defaultRate: Rate = { burst: 50, perSecond: 1 }
const defaultSettleMs = 3_000

export function startStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { onError = () => {} } = options
  const meshWriter = createMeshWriter(options.api)
  const routeWriter = createRouteWriter(options.api)
  const tellProblems = createTelling(options)
  const backOff = createBackOff({ firstMs: 1_000, maxMs: 60_000, random: Math.random })
  const written = new Map<string, Written>()
  let leading = false
  let dirty = false
  let writing = false
  let timer: NodeJS.Timeout | undefined

  async function turn(): Promise<void> {
    if (!leading || !dirty || writing) return
    writing = true
    dirty = false
    let waitMs = Infinity
    try {
      await writeConditions(options, written)
      const waits = [
        await meshWriter.write(options.meshes()),
        await routeWriter.write(options.routes()),
        await tellProblems(),
      ]
      waitMs = Math.min(...waits.filter((ms) => ms > 0), Infinity)
      backOff.reset()
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)))
      waitMs = backOff.nextMs()
    }
    writing = false
    if (waitMs < Infinity) later(waitMs)
    else if (dirty) later(0)
  }

  function later(delayMs: number): void {
    dirty = true
    clearTimeout(timer)
    timer = setTimeout(() => void turn(), delayMs).unref()
  }

  return {
    lead(now) {
      leading = now
      written.clear()
      if (leading) later(0)
    },
    changed() {
      if (leading && !writing) later(0)
      else dirty = true
    },
    stop() {
      leading = false
      clearTimeout(timer)
    },
  }
}

/** Tells each problem once as long as it is there. @returns when there is more to tell; 0: never */
function createTelling(options: StatusWriterOptions): () => Promise<number> {
  const { rate = defaultRate, settleMs = defaultSettleMs } = options
  const limit = createRateLimit(rate)
  let told = new Set<string>()
  /** Problems that are not told yet, and since when they are there. */
  let seen = new Map<string, number>()

  return async () => {
    const problems = new Map(options.problems().map((one) => [formatProblem(one), one]))
    told = new Set([...told].filter((text) => problems.has(text)))
    const now = performance.now()
    const fresh = [...problems.keys()].filter((text) => !told.has(text))
    seen = new Map(fresh.map((text) => [text, seen.get(text) ?? now]))
    let settling = 0
    for (const [text, sinceMs] of seen) {
      const problem = problems.get(text)
      const settlesMs = sinceMs + settleMs - now
      if (settlesMs > 0) settling = Math.min(settling || settlesMs, settlesMs)
      if (settlesMs > 0 || problem === undefined) continue
      const waitMs = limit.take(performance.now())
      if (waitMs > 0) return waitMs
      await tell(options, problem)
      told.add(text)
    }
    return settling
  }
}

const collection = '/apis/sluice.dev/v1alpha1/meshconfigs'

/** What was found or left on an object, so that it is not read again at every change of others. */
interface Written {
  readonly about: string
  readonly atMs: number
}

/** Somebody may take a condition away. */
const lookAgainMs = 60_000

async function writeConditions(
  { api, problems, meshConfigs }: StatusWriterOptions,
  written: Map<string, Written>,
): Promise<void> {
  const own = problems().filter(({ kind }) => kind === 'MeshConfig')
  for (const name of written.keys()) if (!meshConfigs().has(name)) written.delete(name)
  for (const [name, { uid, generation }] of meshConfigs()) {
    const about = own.filter((problem) => problem.name === name)
    const said = [uid, generation, ...about.map(formatProblem)].join('\n')
    const last = written.get(name)
    if (last?.about === said && performance.now() - last.atMs < lookAgainMs) continue
    const path = `${collection}/${name}`
    const found = await api.call({ path }).catch((error: unknown) => {
      if (isStatus(error, 404)) return undefined
      throw error
    })
    if (found === undefined) continue
    const { status } = found as { readonly status?: { readonly conditions?: readonly Condition[] } }
    const conditions = status?.conditions ?? []
    const before = conditions.find(({ type }) => type === 'Accepted')
    const now = acceptedCondition(about, generation, before, new Date().toISOString())
    // Somebody who has seen more than we have has written it.
    const isNewer = before !== undefined && before.observedGeneration > generation
    if (!isNewer && !sameData(before, now)) {
      const others = conditions.filter(({ type }) => type !== 'Accepted')
      const body = { status: { conditions: [...others, now] } }
      const contentType = 'application/merge-patch+json'
      await api.call({ method: 'PATCH', path: `${path}/status`, body, contentType })
    }
    written.set(name, { about: said, atMs: performance.now() })
  }
}

async function tell(options: StatusWriterOptions, problem: Problem): Promise<void> {
  const { kind, namespace, name, severity } = problem
  const uid = problem.uid ?? options.uidOf?.(problem)
  await writeEvent(options, {
    about: { kind, namespace, name, ...(uid === undefined ? {} : { uid }) },
    reason: severity === 'error' ? 'SluiceRefused' : 'SluiceWarning',
    message: wordsOf(problem),
  })
}
