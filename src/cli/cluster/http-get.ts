import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'

const timeoutMs = 20_000

/** GETs JSON over a connection, which ends with it. @throws Error with what was answered instead */
export async function getJson(connection: Duplex, path: string): Promise<unknown> {
  if (connection.destroyed)
    throw connection.errored ?? new Error(`${path}: the connection is closed`)
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const asked = request({
    createConnection: () => connection,
    path,
    headers: { host: 'localhost', connection: 'close', accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  })
  asked.on('error', reject)
  asked.on('response', (response) => {
    const read = async () => {
      const body = await text(response)
      if (response.statusCode === 200) return JSON.parse(body) as unknown
      throw new Error(`${path}: ${response.statusCode} ${body.trim().slice(0, 200)}`)
    }
    read().then(resolve, reject)
  })
  asked.end()
  try {
    return await promise
  } finally {
    connection.destroy()
  }
}
