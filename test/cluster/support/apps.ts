// Objects of apps that run our programs on the Node of the product's own image.
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../programs')
const programs = ['ask', 'load', 'serve'] as const
export type Program = (typeof programs)[number]

/** Where pods of a namespace find the programs. */
export function programsObject(namespace: string): object {
  const texts = programs.map((name) => {
    const source = stripTypeScriptTypes(readFileSync(join(folder, `${name}.ts`), 'utf8'))
    return [`${name}.mjs`, source.replaceAll(/(from '\.\/\w+)\.ts'/g, "$1.mjs'")] as const
  })
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'programs', namespace },
    data: Object.fromEntries(texts),
  }
}

/** A container of a pod's template; `more` wins. */
export function container(
  image: string,
  program: Program,
  env: Readonly<Record<string, string>> = {},
  more: object = {},
): object {
  const variables = Object.entries(env).map(([name, value]) => ({ name, value }))
  const fieldRef = { fieldPath: 'spec.nodeName' }
  return {
    name: program,
    image,
    imagePullPolicy: 'Never',
    command: ['/usr/bin/node', `/programs/${program}.mjs`],
    env: [...variables, { name: 'NODE_NAME', valueFrom: { fieldRef } }],
    volumeMounts: [{ name: 'programs', mountPath: '/programs' }],
    ...(program === 'serve' ? { readinessProbe } : {}),
    ...more,
  }
}

const readinessProbe = {
  httpGet: { path: '/ready', port: 8080 },
  periodSeconds: 1,
  timeoutSeconds: 5,
  failureThreshold: 3,
}

/** With the programs' volume; `more` wins. */
export function podSpec(containers: readonly object[], more: PodMore = {}): object {
  const { volumes = [], ...rest } = more
  return {
    terminationGracePeriodSeconds: 30,
    containers,
    volumes: [{ name: 'programs', configMap: { name: 'programs' } }, ...volumes],
    ...rest,
  }
}

interface PodMore {
  readonly volumes?: readonly object[]
  readonly [field: string]: unknown
}

export function pod(namespace: string, name: string, labels: object, spec: object): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels }, spec }
}

/** Its ports lead to the container's: `[port, targetPort]`. */
export function service(
  namespace: string,
  name: string,
  selector: object,
  more: object = {},
  ports: readonly (readonly [number, number])[] = [[80, 8080]],
): object {
  const list = ports.map(([port, targetPort]) => ({ name: `p${port}`, port, targetPort }))
  const metadata = { namespace, name }
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector, ports: list, ...more } }
}
