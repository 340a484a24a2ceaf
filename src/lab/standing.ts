import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { labPaths } from './names.ts'
import type { Place } from './process/enter.ts'

/** What a lab that stands by itself (`sluice lab up`) says of itself to other processes. */
export interface Standing {
  readonly nodes: readonly {
    readonly name: string
    readonly addresses: readonly string[]
    readonly place: Place
  }[]
  readonly pods: readonly StandingPod[]
  readonly services: readonly {
    readonly name: string
    readonly addresses: readonly string[]
    readonly ports: readonly number[]
  }[]
  readonly mesh: boolean
}

export interface StandingPod {
  readonly namespace: string
  readonly name: string
  readonly node: string
  readonly addresses: readonly string[]
  readonly place: Place
}

/** Where it takes orders: one JSON object a line. */
export function controlSocket(lab: string): string {
  return join(labPaths(lab).run, 'control.sock')
}

export function writeStanding(lab: string, standing: Standing): void {
  const file = standingFile(lab)
  // Readers find either the old one or the new one, whole.
  writeFileSync(`${file}.new`, JSON.stringify(standing))
  renameSync(`${file}.new`, file)
}

/** @throws Error with the command that makes one */
export function readStanding(lab: string): Standing {
  const file = standingFile(lab)
  if (!existsSync(file))
    throw new Error(`there is no lab ${lab}: \`sluice lab up --name ${lab}\` makes it`)
  return JSON.parse(readFileSync(file, 'utf8')) as Standing
}

/**
 * A node by its name, or a pod by namespace/name (the namespace may be left out where the name is
 * clear).
 * @throws Error with the names there are
 */
export function findPlace(standing: Standing, wanted: string): Place {
  const pods = standing.pods.filter(
    ({ namespace, name }) => wanted === `${namespace}/${name}` || wanted === name,
  )
  const found = [...pods, ...standing.nodes.filter(({ name }) => name === wanted)]
  if (found[0] !== undefined && found.length === 1) return found[0].place
  const problem = found.length === 0 ? 'nothing is' : 'several pods are'
  const names = [
    ...standing.nodes.map(({ name }) => name),
    ...standing.pods.map(({ namespace, name }) => `${namespace}/${name}`),
  ]
  throw new Error(`${problem} called '${wanted}': there are ${names.join(', ')}`)
}

function standingFile(lab: string): string {
  return join(labPaths(lab).run, 'standing.json')
}
