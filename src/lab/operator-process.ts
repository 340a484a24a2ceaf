// The lab's operator as a process of its own: whoever made the lab may be busy for longer than a
// node waits for an answer.
//   operator-process.ts SOCKET GRPC_FOLDER
// Takes an order a line, and answers each with a line. The first one starts the server.
import { createInterface } from 'node:readline'
import type { MeshSettings } from '../model/resources.ts'
import type { PodRow } from '../model/status.ts'
import { type LabServer, startLabServer } from '../operator/lab-server.ts'
import type { PublisherStatus } from '../operator/publish/publisher.ts'

/** What the lab tells it. */
export interface OperatorOrder {
  /** All there are from now on. */
  readonly objects?: readonly unknown[]
  /** Starts the server, or starts it again with others. */
  readonly settings?: MeshSettings
}

export interface OperatorAnswer {
  readonly problems: readonly string[]
  readonly status: PublisherStatus
  readonly pods: readonly PodRow[]
}

const [path = '', grpcFolder = ''] = process.argv.slice(2)
let server: LabServer | undefined
let objects: readonly unknown[] = []

async function obey(order: OperatorOrder): Promise<OperatorAnswer> {
  objects = order.objects ?? objects
  if (order.settings !== undefined) {
    await server?.close()
    server = await startLabServer({ path, grpcFolder, objects, mesh: order.settings })
  }
  if (server === undefined) throw new Error('the first order must have settings')
  if (order.objects !== undefined) server.replace(objects)
  return { problems: server.problems, status: server.status(), pods: server.pods() }
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line) as OperatorOrder))}\n`)
}
// The lab is gone.
process.exit()
