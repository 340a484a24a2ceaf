import { status } from '@grpc/grpc-js'
import { decodeReport, encodeReportAnswer } from '../../model/wire/report-message.ts'
import { endCall, type GrpcCall } from '../publish/grpc-call.ts'
import type { NodeStream } from '../publish/grpc-door.ts'
import type { ReportLimits } from './limits.ts'
import type { ReportBook } from './report-book.ts'

/** A node's stream of reports, over gRPC. */
export function openReportStream(
  book: ReportBook,
  { messageBytes }: ReportLimits,
  node: string,
  call: GrpcCall,
): NodeStream {
  const intake = book.open(node, () =>
    endCall(call, status.ABORTED, `node ${node} reports on another stream by now`),
  )
  return {
    onMessage(bytes) {
      if (bytes.length > messageBytes) {
        throw new Error(`a report has ${bytes.length} bytes, and the limit is ${messageBytes}`)
      }
      const report = decodeReport(bytes)
      if (!report.ok) throw new Error(report.error)
      const dropped = intake.take(report.value)
      // For a node that does not read, nothing is kept.
      if (dropped.length > 0 && !call.writableNeedDrain) call.write(encodeReportAnswer(dropped))
    },
    close: () => intake.close(),
  }
}
