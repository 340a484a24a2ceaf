import { type Command, Argument } from 'commander'
import { completionScript, shells, type Shell } from './completion-script.ts'

/** `sluice completion SHELL`: a script that completes verbs and options. */
export function registerCompletion(program: Command, output = process.stdout): void {
  program
    .command('completion')
    .description('print a script that completes this command: source <(sluice completion bash)')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => void output.write(completionScript(program, shell)))
}
