import { sandboxedRuntime, sandboxName } from '../../model/sandbox.ts'
import type { PodFacts, RuntimeClassFacts } from './facts.ts'

/**
 * Why a pod cannot be enrolled for its runtime; empty when nothing says so. The handler's name is
 * what the runtime's configuration calls it, and nothing obliges it to say what it is: what it does
 * not say, the node's agent finds out.
 */
export function sandboxOf(
  { runtimeClass: name }: PodFacts,
  runtimeClass: RuntimeClassFacts | undefined,
): string {
  if (runtimeClass === undefined) return ''
  const { handler } = runtimeClass
  return sandboxName(handler) === undefined
    ? ''
    : sandboxedRuntime(`RuntimeClass ${name}, handler ${handler}`)
}
