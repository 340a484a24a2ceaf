import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** What may follow a verb. */
interface Verb {
  /** As `config node`; empty: the command itself. */
  readonly path: string
  readonly words: readonly Word[]
}

interface Word {
  readonly text: string
  readonly about: string
}

/**
 * A script for that shell, made from the verbs as they are. It needs no run of the command at each
 * key.
 */
export function completionScript(program: Command, shell: Shell): string {
  const verbs = verbsOf(program, '')
  const name = program.name()
  switch (shell) {
    case 'bash':
      return bashScript(name, verbs)
    case 'zsh':
      return `#compdef ${name}\n${useBash}\n${bashScript(name, verbs)}`
    default:
      return fishScript(name, verbs)
  }
}

const useBash = 'autoload -U +X bashcompinit && bashcompinit'

function verbsOf(command: Command, path: string): readonly Verb[] {
  const words = [
    ...command.commands.map((verb) => ({ text: verb.name(), about: verb.description() })),
    ...command.registeredArguments.flatMap(({ argChoices = [] }) =>
      argChoices.map((text) => ({ text, about: '' })),
    ),
    ...command.options.flatMap(({ long, description: about }) =>
      typeof long === 'string' ? [{ text: long, about }] : [],
    ),
    { text: '--help', about: 'what there is' },
  ]
  const below = command.commands.flatMap((verb) =>
    verbsOf(verb, path === '' ? verb.name() : `${path} ${verb.name()}`),
  )
  return [{ path, words }, ...below]
}

function bashScript(name: string, verbs: readonly Verb[]): string {
  const cases = verbs.map(
    ({ path, words }) => `    '${path}') words='${words.map(({ text }) => text).join(' ')}' ;;`,
  )
  const paths = verbs.map(({ path }) => `'${path}'`).join(' | ')
  const word = '${COMP_WORDS[COMP_CWORD]}'
  // The longest verb that the words so far begin with; options and their values are passed over.
  return `_${name}_complete() {
  local path='' next words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    next="\${path:+$path }\${COMP_WORDS[index]}"
    case "$next" in
    ${paths}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${word}"))
}
complete -o default -F _${name}_complete ${name}
`
}

function fishScript(name: string, verbs: readonly Verb[]): string {
  const lines = verbs.flatMap(({ path, words }) =>
    words.map(({ text, about }) => {
      const what = text.startsWith('--') ? `-l ${text.slice(2)}` : `-f -a ${text}`
      const when = quoted(conditionOf(path, verbs))
      return `complete -c ${name} -n ${when} ${what} -d ${quoted(about)}`
    }),
  )
  return `${lines.join('\n')}\n`
}

/** All words of this verb, and none of a verb below it. */
function conditionOf(path: string, verbs: readonly Verb[]): string {
  const seen =
    path === '' ? [] : path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
  const depth = seen.length
  const below = verbs
    .map((verb) => (verb.path === '' ? [] : verb.path.split(' ')))
    .filter((words) => words.length === depth + 1 && words.slice(0, depth).join(' ') === path)
    .map((words) => words[depth])
  const deeper = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`]
  return [...seen, ...deeper].join('; and ') || 'true'
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`\'`)}'`
}
