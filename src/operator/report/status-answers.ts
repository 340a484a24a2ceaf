import type { NodeRow, PodRow, ConfigRow, ReplicaFacts, StatusAnswer } from '../../model/status.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { ReportBook } from './report-book.ts'
import { nodeRows, podRows } from './status-rows.ts'

export interface StatusSources {
  readonly publisher: Publisher
  readonly reports: ReportBook
  readonly replica: () => ReplicaFacts
  readonly nowMs: () => number
}

export type AnyStatusAnswer = StatusAnswer<PodRow> | StatusAnswer<NodeRow> | StatusAnswer<ConfigRow>

/** What people's tools ask a replica. */
export interface StatusAnswers {
  /** @returns the answer, a string that says what is wrong with the question, or undefined */
  answer(path: string, query: URLSearchParams): AnyStatusAnswer | string | undefined
}

/**
 * - `/status/pods`, with `namespace=NAME`
 * - `/status/nodes`
 * - `/status/config?node=NAME`, with `content=true` for what the resources say
 */
export function createStatusAnswers({
  publisher,
  reports,
  replica,
  nowMs,
}: StatusSources): StatusAnswers {
  const { snapshot } = publisher
  return {
    answer(path, query) {
      switch (path) {
        case '/status/pods': {
          const namespace = query.get('namespace') ?? undefined
          return { ...replica(), rows: podRows(snapshot, reports, namespace) }
        }
        case '/status/nodes': {
          const { sessions } = publisher.status()
          return { ...replica(), rows: nodeRows(snapshot, reports, sessions, nowMs()) }
        }
        case '/status/config': {
          const node = query.get('node') ?? ''
          if (node === '') return 'of which node? ask for /status/config?node=NAME'
          const withContent = query.get('content') === 'true'
          return { ...replica(), rows: publisher.inspect(node, withContent) }
        }
        default:
          return undefined
      }
    },
  }
}
