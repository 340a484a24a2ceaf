// The scripts are run by the shells that they are for, where those are there: bash is.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'
import { Command } from 'commander'
import { completionScript } from '../../../src/cli/completion-script.ts'

function program(): Command {
  const command = new Command('sluice')
  command.command('status').option('-n, --namespace <name>', 'of this namespace alone')
  const config = command.command('config')
  config.command('node').argument('<name>').option('--all', "it's all")
  return command
}

function completions(words: readonly string[]): readonly string[] {
  const script = `${completionScript(program(), 'bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_sluice_complete
printf '%s\\n' "\${COMPREPLY[@]}"
`
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return stdout.split('\n').filter((word) => word !== '')
}

test('bash completes verbs, verbs below them, and options', () => {
  assert.deepEqual(completions(['sluice', '']), ['status', 'config', '--help'])
  assert.deepEqual(completions(['sluice', 'st']), ['status'])
  assert.deepEqual(completions(['sluice', 'status', '--']), ['--namespace', '--help'])
  assert.deepEqual(completions(['sluice', 'config', '']), ['node', '--help'])
  assert.deepEqual(completions(['sluice', 'config', 'node', '--']), ['--all', '--help'])
  assert.deepEqual(completions(['sluice', 'config', 'node', 'n1', '--a']), ['--all'])
})

test('zsh uses the same, and fish has a line for each word', () => {
  const zsh = completionScript(program(), 'zsh')
  assert.match(zsh, /^#compdef sluice\n/)
  assert.match(zsh, /bashcompinit\n_sluice_complete\(\) \{/)
  const fish = completionScript(program(), 'fish')
  assert.match(fish, /^complete -c sluice -n '.*' -f -a status -d ''$/m)
  assert.match(
    fish,
    /-n '__fish_\w+_from config; and __fish_\w+_from node' -l all -d 'it\\'s all'$/m,
  )
})
