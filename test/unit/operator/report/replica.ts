// The HTTP port of a replica that publishes what a test says.
import type { TestContext } from 'node:test'
import type { ReplicaFacts } from '../../../../src/model/status.ts'
import { serveOperatorHttp } from '../../../../src/operator/http.ts'
import type { Publisher } from '../../../../src/operator/publish/publisher.ts'
import { openReportBook, type ReportBook } from '../../../../src/operator/report/report-book.ts'
import { createStatusAnswers } from '../../../../src/operator/report/status-answers.ts'

export interface TestReplica {
  readonly reports: ReportBook
  readonly port: number
  readonly url: string
}

export async function openReplica(
  t: TestContext,
  publisher: Publisher,
  facts: Partial<ReplicaFacts> = {},
): Promise<TestReplica> {
  const reports = openReportBook(publisher)
  const replica = {
    replica: 'operator-a',
    version: '0.1.0',
    notReady: '',
    leading: true,
    problems: [],
    ...facts,
  }
  const status = createStatusAnswers({
    publisher,
    reports,
    replica: () => replica,
    nowMs: Date.now,
  })
  const http = await serveOperatorHttp(
    { host: '0.0.0.0', port: 0 },
    {
      notReady: () => replica.notReady,
      metrics: async () => '',
      metricsType: 'text/plain',
      status,
    },
  )
  t.after(async () => http.close())
  return { reports, port: http.port, url: `http://127.0.0.1:${http.port}` }
}
