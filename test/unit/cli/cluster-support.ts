// A cluster as the verbs see it: objects of the API by path, and replicas of the operator whose
// real HTTP port is reached without an API server in between.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Writable } from 'node:stream'
import { Command } from 'commander'
import type { Cluster } from '../../../src/cli/cluster/cluster.ts'
import type { Surroundings } from '../../../src/cli/surroundings.ts'
import { KubeError } from '../../../src/operator/kube/api.ts'
import type { TestReplica } from '../operator/report/replica.ts'

export interface TestCluster {
  /** Lists by path; what is not there is forbidden. */
  readonly lists: Readonly<Record<string, readonly object[]>>
  readonly replicas: Readonly<Record<string, TestReplica>>
  readonly away?: boolean
}

export function operatorPod(name: string, ready = true): object {
  return {
    metadata: { namespace: 'sluice-system', name, uid: `uid-${name}`, labels: { app: 'operator' } },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

const pods = '/api/v1/namespaces/sluice-system/pods'

function clusterOf({ lists, replicas, away = false }: TestCluster): Cluster {
  return {
    api: {
      async call({ path, query }) {
        if (away) throw new Error('the API server test:6443 does not answer: ECONNREFUSED')
        if (path === '/version') return { gitVersion: 'v1.34.2' }
        const component = query?.['labelSelector']?.split('component=')[1]
        const items = lists[component === undefined ? path : `${path} ${component}`]
        if (items === undefined) throw new KubeError(403, `GET ${path}: 403 forbidden`)
        return { items, metadata: {} }
      },
      text: async ({ path }) => assert.fail(`nobody reads ${path}`),
    },
    async forward(_namespace, pod) {
      const replica = replicas[pod]
      if (replica === undefined) throw new Error(`port 15014 of pod ${pod} cannot be reached`)
      const socket = connect(replica.port, '127.0.0.1')
      await once(socket, 'connect')
      return socket
    },
  }
}

export function installed(names: readonly string[]): Readonly<Record<string, readonly object[]>> {
  return { [`${pods} operator`]: names.map((name) => operatorPod(name)) }
}

export interface Ran {
  readonly text: string
  readonly errors: string
  readonly status: number | undefined
}

/** Runs one verb. @throws what the verb throws */
export async function runVerb(
  register: (program: Command, around: Surroundings) => void,
  cluster: TestCluster,
  args: readonly string[],
): Promise<Ran> {
  const [output, errors] = [gathering(), gathering()]
  let status: number | undefined
  const around: Surroundings = {
    open: async () => clusterOf(cluster),
    output: output.stream,
    errors: errors.stream,
    env: {},
    nowMs: () => 1_000_000,
    setExitCode: (code) => void (status = code),
  }
  const program = new Command('sluice')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  register(program, around)
  await program.parseAsync([...args], { from: 'user' })
  return { text: output.text(), errors: errors.text(), status }
}

function gathering() {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString())
      done()
    },
  })
  return { stream, text: () => chunks.join('') }
}
