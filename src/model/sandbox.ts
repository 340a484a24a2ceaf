/**
 * Runtimes whose pods have a kernel of their own, by how their handlers and shims are called. Their
 * sockets are not the node's, so no hook sees them. Runtimes that only harden (sysbox, user
 * namespaces) or that run something else than Linux programs (WebAssembly) use the node's.
 */
const sandboxes = ['kata', 'runsc', 'gvisor', 'firecracker', 'urunc', 'quark'] as const

/** Which of them a handler or a shim (`containerd-shim-NAME-v2`) is; undefined: none of them. */
export function sandboxName(handlerOrShim: string): string | undefined {
  const name = handlerOrShim.toLowerCase().replace(/^containerd-shim-/u, '')
  return sandboxes.find((each) => new RegExp(`^(?:aws\\.)?${each}(?:[^a-z]|$)`, 'u').test(name))
}

const words = 'sandboxed runtime'

/** Why such a pod is not in the mesh. @param how it was found out */
export function sandboxedRuntime(how: string): string {
  return `${words} (${how}): its sockets are not those of the node's kernel; run it without it`
}

/** Whether a reason for not being in the mesh is one that lies in the pod itself. */
export function isOfThePod(reason: string): boolean {
  return reason.startsWith('hostNetwork') || reason.startsWith(words)
}
