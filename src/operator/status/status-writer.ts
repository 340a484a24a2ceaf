import { createHash } from 'node:crypto'
import { createBackOff } from '../../model/back-off.ts'
import { sameData } from '../../model/equal.ts'
import { type Problem, formatProblem } from '../compile/problem.ts'
import type { MeshFacts } from '../foreign/mesh.ts'
import { createMeshWriter } from '../foreign/mesh-writer.ts'
import { isStatus, type KubeApi } from '../kube/api.ts'
import { createRateLimit, type Rate } from '../publish/rate-limit.ts'
import { acceptedCondition, type Condition, wordsOf } from './conditions.ts'

export interface StatusWriterOptions {
  readonly api: KubeApi
  /** Who reports, in Events. */
  readonly podName: string
  readonly problems: () => readonly Problem[]
  /** Generations of the MeshConfigs that the problems are of, by name. */
  readonly meshConfigs: () => ReadonlyMap<string, number>
  /** XMeshes that are Sluice's. */
  readonly meshes: () => readonly MeshFacts[]
  readonly onError?: (error: Error) => void
  /** Of Events: a cluster full of faults must not become the API server's. */
  readonly rate?: Rate
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

export function startStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { onError = () => {}, rate = defaultRate } = options
  const limit = createRateLimit(rate)
  const meshWriter = createMeshWriter(options.api)
  const backOff = createBackOff({ firstMs: 1_000, maxMs: 60_000, random: Math.random })
  let told = new Set<string>()
  let leading = false
  let dirty = false
  let writing = false
  let timer: NodeJS.Timeout | undefined

  async function write(): Promise<number> {
    await writeConditions(options)
    const meshWaitMs = await meshWriter.write(options.meshes())
    const problems = new Map(options.problems().map((one) => [formatProblem(one), one]))
    told = new Set([...told].filter((text) => problems.has(text)))
    for (const [text, problem] of problems) {
      if (told.has(text)) continue
      const waitMs = limit.take(performance.now())
      if (waitMs > 0) return waitMs
      await writeEvent(options, problem, text)
      told.add(text)
    }
    return meshWaitMs
  }

  async function turn(): Promise<void> {
    if (!leading || !dirty || writing) return
    writing = true
    dirty = false
    let waitMs = 0
    try {
      waitMs = await write()
      backOff.reset()
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)))
      waitMs = backOff.nextMs()
    }
    writing = false
    if (waitMs > 0) later(waitMs)
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

const collection = '/apis/sluice.dev/v1alpha1/meshconfigs'

async function writeConditions({ api, problems, meshConfigs }: StatusWriterOptions): Promise<void> {
  const own = problems().filter(({ kind }) => kind === 'MeshConfig')
  for (const [name, generation] of meshConfigs()) {
    const path = `${collection}/${name}`
    const found = await api.call({ path }).catch((error: unknown) => {
      if (isStatus(error, 404)) return undefined
      throw error
    })
    if (found === undefined) continue
    const { status } = found as { readonly status?: { readonly conditions?: readonly Condition[] } }
    const conditions = status?.conditions ?? []
    const before = conditions.find(({ type }) => type === 'Accepted')
    const about = own.filter((problem) => problem.name === name)
    const now = acceptedCondition(about, generation, before, new Date().toISOString())
    // Somebody who has seen more than we have has written it.
    if (before !== undefined && before.observedGeneration > generation) continue
    if (sameData(before, now)) continue
    const others = conditions.filter(({ type }) => type !== 'Accepted')
    const body = { status: { conditions: [...others, now] } }
    const contentType = 'application/merge-patch+json'
    await api.call({ method: 'PATCH', path: `${path}/status`, body, contentType })
  }
}

const apiVersions: Readonly<Record<string, string>> = {
  EndpointSlice: 'discovery.k8s.io/v1',
  MeshConfig: 'sluice.dev/v1alpha1',
}

/** Its name is made of what it says: of two replicas that both tell it, one finds it told. */
async function writeEvent(
  { api, podName }: StatusWriterOptions,
  problem: Problem,
  text: string,
): Promise<void> {
  const { kind, name, severity } = problem
  // Events of objects without a namespace are in `default`, as kubectl looks for them there.
  const namespace = problem.namespace === '' ? 'default' : problem.namespace
  const time = new Date().toISOString()
  const hour = time.slice(0, 13)
  const id = createHash('sha256').update(`${hour} ${text}`).digest('hex').slice(0, 16)
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name.slice(0, 200)}.${id}`, namespace },
    involvedObject: {
      apiVersion: apiVersions[kind] ?? 'v1',
      kind,
      name,
      ...(problem.namespace === '' ? {} : { namespace }),
    },
    type: 'Warning',
    reason: severity === 'error' ? 'SluiceRefused' : 'SluiceWarning',
    message: wordsOf(problem).slice(0, 1_000),
    source: { component: 'sluice-operator' },
    reportingComponent: 'sluice.dev/operator',
    reportingInstance: podName,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
  try {
    await api.call({ method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body })
  } catch (error) {
    // It is told already, or its namespace is gone, or going.
    if (isStatus(error, 409) || isStatus(error, 404)) return
    const going = error instanceof Error && error.message.includes('being terminated')
    if (!going) throw error
  }
}
