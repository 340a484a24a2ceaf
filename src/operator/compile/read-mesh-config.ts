import { type Fields, hasField, readChoice, readObject, readText } from '../../model/fields.ts'
import type { MeshChoices, MeshConfigFacts } from './facts.ts'
import { readMeta } from './read-meta.ts'

/** What is not said stays as it is preset. */
export function readMeshConfig(fields: Fields): MeshConfigFacts {
  return { ...readMeta(fields, 'MeshConfig'), settings: readChoices(readObject(fields, 'spec')) }
}

function readChoices(spec: Fields): MeshChoices {
  const says = (name: keyof MeshChoices) => hasField(spec, name)
  return {
    ...(says('trustDomain') ? { trustDomain: readText(spec, 'trustDomain') } : {}),
    ...(says('unclassified')
      ? { unclassified: readChoice(spec, 'unclassified', ['count', 'refuse']) }
      : {}),
    ...(says('outside') ? { outside: readChoice(spec, 'outside', ['allow', 'refuse']) } : {}),
    ...(says('acceleration')
      ? { acceleration: readChoice(spec, 'acceleration', ['auto', 'full', 'off']) }
      : {}),
    ...(says('failureMode')
      ? { failureMode: readChoice(spec, 'failureMode', ['open', 'closed']) }
      : {}),
    ...(says('oldConnections')
      ? { oldConnections: readChoice(spec, 'oldConnections', ['keep', 'reset']) }
      : {}),
  }
}
