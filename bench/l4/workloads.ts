/** What one measurement gives; absent figures do not apply to the workload. */
export interface Measurement {
  readonly p50Us?: number
  readonly p99Us?: number
  readonly p999Us?: number
  readonly gbps?: number
  readonly connPerSec?: number
  readonly failed?: number
  /** Of the whole path: per round trip, per connection, or per gigabyte. */
  readonly cpuUsPerOp: number
}

export interface Workload {
  readonly name: string
  /** Port offset of the server end: 0 echo, 1 sink, 2 one-shot. */
  readonly portOffset: number
  readonly argv: (address: string, port: number, seconds: number) => readonly string[]
  readonly read: (output: string, cpuUs: number) => Measurement
}

const GIGABYTE = 1e9

function pingPong(bytes: number): Workload {
  return {
    name: `pingpong-${bytes}`,
    portOffset: 0,
    argv: (address, port, seconds) => ['pingpong', address, `${port}`, `${bytes}`, `${seconds}`],
    read: (output, cpuUs) => {
      const { ops, ...latencies } = JSON.parse(output) as {
        ops: number
        p50Us: number
        p99Us: number
        p999Us: number
      }
      return { ...latencies, cpuUsPerOp: cpuUs / ops }
    },
  }
}

function stream(bytes: number, bytesPerSecond: number): Workload {
  return {
    name: `stream-${bytes}`,
    portOffset: 1,
    argv: (address, port, seconds) => [
      'stream',
      address,
      `${port}`,
      `${bytes}`,
      `${Math.round(bytesPerSecond * seconds)}`,
    ],
    read: (output, cpuUs) => {
      const result = JSON.parse(output) as { bytes: number; seconds: number }
      return {
        gbps: (result.bytes * 8) / result.seconds / 1e9,
        cpuUsPerOp: (cpuUs * GIGABYTE) / result.bytes,
      }
    },
  }
}

const connects: Workload = {
  name: 'connect',
  portOffset: 2,
  argv: (address, port, seconds) => ['connect', address, `${port}`, '16', `${seconds}`],
  read: (output, cpuUs) => {
    const result = JSON.parse(output) as { ops: number; failed: number; seconds: number }
    return {
      connPerSec: result.ops / result.seconds,
      failed: result.failed,
      cpuUsPerOp: cpuUs / result.ops,
    }
  },
}

/** Stream sizes are bounded by bytes, so that a fast peer does not measure a longer warm state. */
export const WORKLOADS: readonly Workload[] = [
  pingPong(64),
  pingPong(1024),
  stream(4096, 500e6),
  stream(65536, 1500e6),
  connects,
]
