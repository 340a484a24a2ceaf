import { runCommand } from '../process/command.ts'
import { enterArgv } from '../process/enter.ts'

/** Applies rules in one transaction: all of them or none. */
export async function nftApply(netns: string, rules: string): Promise<void> {
  await runCommand(enterArgv({ netns }, ['nft', '-f', '-']), { input: rules })
}
