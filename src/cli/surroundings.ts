import type { Cluster, ClusterOptions } from './cluster/cluster.ts'

/** What a verb acts on; tests bring their own. */
export interface Surroundings {
  readonly open: (options: ClusterOptions) => Promise<Cluster>
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
  readonly errors: NodeJS.WritableStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly nowMs: () => number
  setExitCode(status: number): void
}

export const thisProcess: Surroundings = {
  // Its libraries take longer to load than other verbs take to run.
  open: async (options) => (await import('./cluster/open-cluster.ts')).openCluster(options),
  output: process.stdout,
  errors: process.stderr,
  env: process.env,
  nowMs: Date.now,
  // Not process.exit(): a pipe may still hold part of the text.
  setExitCode: (status) => {
    process.exitCode = status
  },
}
