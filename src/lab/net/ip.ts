import { runCommand } from '../process/command.ts'
import { type EnterOptions, enterArgv } from '../process/enter.ts'

/**
 * Runs ip(8) commands in one process, inside the namespace where one is given. Stops at the first
 * that fails.
 */
export async function ipBatch(
  netns: string | undefined,
  lines: readonly string[],
  sysctls: NonNullable<EnterOptions['sysctls']> = {},
): Promise<void> {
  if (lines.length === 0) return
  // Through sluice-enter also where there is nothing to enter: it ends with its parent, so that a
  // killed owner's half-done work does not go on behind the janitor's back.
  const argv = enterArgv(netns === undefined ? {} : { netns }, ['ip', '-batch', '-'], { sysctls })
  await runCommand(argv, { input: lines.join('\n') })
}

/** Removes namespaces by name; those that are gone already are no error. */
export async function deleteNetns(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const input = names.map((name) => `netns delete ${name}`).join('\n')
  // -force: go on after an error. What still stands afterwards is the caller's to find.
  await runCommand(['ip', '-force', '-batch', '-'], { input }).catch(() => {})
}
