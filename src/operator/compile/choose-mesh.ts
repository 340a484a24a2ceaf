import type { MeshSettings } from '../../model/resources.ts'
import { byAge } from './address-conflicts.ts'
import type { MeshConfigFacts } from './facts.ts'
import type { ReportProblem } from './problem.ts'

/** There is one MeshConfig: of several the oldest is in force, and the others are told so. */
export function chooseMesh(
  configs: readonly MeshConfigFacts[],
  preset: MeshSettings,
  report: ReportProblem,
): MeshSettings {
  const [first, ...others] = [...configs].sort(byAge)
  for (const { kind, namespace, name } of others) {
    report({
      severity: 'error',
      kind,
      namespace,
      name,
      field: 'metadata.name',
      message: `is a second MeshConfig, beside ${first?.name}`,
      fix: 'keep one of them',
      effect: 'the older is in force',
    })
  }
  return first === undefined ? preset : { ...preset, ...first.settings }
}
