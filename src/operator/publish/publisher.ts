import { diffResources } from '../../model/diff.ts'
import type { Resource } from '../../model/resources.ts'
import type { Delta } from '../../model/source.ts'
import type { ConfigRow } from '../../model/status.ts'
import type { TableChange } from '../../model/tables.ts'
import { createAnswers } from './answers.ts'
import type { Claims } from './holdings.ts'
import { defaultLimits, type PublishLimits } from './limits.ts'
import {
  createSession,
  type NodeSession,
  type Session,
  type SessionHandles,
  type SessionStatus,
} from './session.ts'
import { createSnapshot, type Snapshot } from './snapshot.ts'
import { createTurns } from './turns.ts'

/**
 * Holds what was compiled and tells each node what it subscribed to. Knows nothing of transports.
 */
export interface Publisher {
  /** Makes these the whole of what is published. */
  replace(resources: readonly Resource[]): void
  /** Publishes a change. Nothing is sent to anybody before the first of these two calls. */
  apply(change: TableChange): void
  /**
   * A node's stream begins; its first delta is sent from here, if anything was published yet.
   * @param node who it is, proven by the transport, not what the node says it is
   * @param names what it subscribes to beside its own name
   * @param claims what it holds already
   * @throws Error when the node has too many streams
   */
  connect(
    node: string,
    names: readonly string[],
    send: (delta: Delta) => void,
    claims?: Claims,
  ): NodeSession
  status(): PublisherStatus
  /** The streams of a node: what it holds, and what it would be sent. */
  inspect(node: string, withContent: boolean): readonly ConfigRow[]
  /** How many nodes are to hold a resource, and how many do so as it is published. */
  spread(name: string): Spread
  /** Grows whenever nodes may hold something else than before. */
  readonly moves: number
  /** Resolves when something has been published. */
  readonly published: Promise<void>
  /** What is published now. */
  readonly snapshot: Snapshot
}

export interface Spread {
  readonly nodes: number
  readonly live: number
}

export interface PublisherStatus {
  readonly version: string
  readonly resources: number
  /** Different names that any node is subscribed to. */
  readonly answers: number
  readonly sessions: readonly SessionStatus[]
}

/** @param epoch tells versions of one run from those of another */
export function createPublisher(epoch: string, limits: PublishLimits = defaultLimits): Publisher {
  const snapshot = createSnapshot()
  const answers = createAnswers(snapshot)
  const watchers = createWatchers()
  const sessions = new Set<Session>()
  const turns = createTurns()
  const published = Promise.withResolvers<void>()
  let version = 0
  let moves = 0

  const handles: SessionHandles = {
    answers,
    limits,
    version: () => `${epoch}.${version}`,
    ready: () => version > 0,
    watch: (name, session) => watchers.add(name, session),
    unwatch: (name, session) => watchers.remove(name, session),
    moved: () => void (moves += 1),
    closed(session) {
      moves += 1
      sessions.delete(session)
      turns.forget(session)
    },
  }

  function apply(change: TableChange): void {
    const first = version === 0
    if (!first && change.upserts.length === 0 && change.removals.length === 0) return
    version += 1
    moves += 1
    published.resolve()
    const affected = new Set<Session>()
    for (const name of answers.invalidate(snapshot.change(change))) {
      for (const session of watchers.of(name)) {
        session.touch(name)
        affected.add(session)
      }
    }
    turns.tell(first ? [...sessions] : affected)
  }

  return {
    apply,
    published: published.promise,
    spread: (name) => spreadOf(sessions, name, snapshot.tables.resources.get(name)),
    get moves() {
      return moves
    },
    snapshot,
    replace: (resources) => apply(diffResources(snapshot.tables.resources.values(), resources)),
    connect(node, names, send, claims) {
      checkStreams(node, sessions, limits)
      const session = createSession(node, names, send, handles, claims)
      sessions.add(session)
      session.changed()
      return session
    },
    inspect: (node, withContent) =>
      [...sessions]
        .filter((session) => session.node === node)
        .map((session) => ({ ...session.status(), ...session.inspect(withContent) })),
    status: () => ({
      version: handles.version(),
      resources: snapshot.tables.resources.size,
      answers: answers.size,
      sessions: [...sessions].map((session) => session.status()),
    }),
  }
}

function checkStreams(
  node: string,
  sessions: Iterable<Session>,
  { streamsPerNode }: PublishLimits,
): void {
  const own = [...sessions].filter((session) => session.node === node).length
  if (own < streamsPerNode) return
  throw new Error(
    `node ${node} has ${own} streams open, and streamsPerNode is ${streamsPerNode}: ` +
      'close one first',
  )
}

/** A node with two streams, as while it is upgraded, has what both of them have. */
function spreadOf(
  sessions: Iterable<Session>,
  name: string,
  published: Resource | undefined,
): Spread {
  const nodes = new Map<string, boolean>()
  for (const session of sessions) {
    const holding = session.holding(name)
    if (holding === undefined) continue
    nodes.set(session.node, nodes.get(session.node) !== false && holding === published)
  }
  return { nodes: nodes.size, live: [...nodes.values()].filter(Boolean).length }
}

/** Which sessions are subscribed to a name. */
function createWatchers() {
  const sessions = new Map<string, Set<Session>>()
  return {
    of: (name: string): Iterable<Session> => sessions.get(name) ?? [],
    add(name: string, session: Session): void {
      const watching = sessions.get(name) ?? new Set()
      sessions.set(name, watching.add(session))
    },
    remove(name: string, session: Session): void {
      const watching = sessions.get(name)
      watching?.delete(session)
      if (watching?.size === 0) sessions.delete(name)
    },
  }
}
