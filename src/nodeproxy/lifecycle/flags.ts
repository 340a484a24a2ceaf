import { parseArgs } from 'node:util'

/** A flag with a value. Commander would take a tenth of the time that a restart may take. */
export interface Flag<T> {
  /** How help writes the value. */
  readonly value: string
  readonly what: string
  /** Undefined: the flag has to be given. */
  readonly preset: T | 'required'
  /** @throws UsageError that names the flag and what it wants */
  readonly parse: (text: string, flag: string) => T
}

export type Flags = Readonly<Record<string, Flag<unknown>>>

export type FlagValues<F extends Flags> = {
  readonly [name in keyof F]: F[name] extends Flag<infer T> ? T : never
}

/** What was said on the command line has been answered on standard error, or out for --help. */
export class UsageError extends Error {
  readonly isHelp: boolean

  constructor(message: string, isHelp = false) {
    super(message)
    this.isHelp = isHelp
  }
}

/**
 * Flag and switch names are in camel case here, and `--in-kebab-case` on the command line.
 * @param check looks at flags together. @throws UsageError like the flags' own
 */
export function parseFlags<F extends Flags>(
  argv: readonly string[],
  program: { readonly name: string; readonly about: string },
  flags: F,
  switches: Readonly<Record<string, string>>,
  check: (values: FlagValues<F>) => void = () => {},
): { readonly values: FlagValues<F>; readonly switches: ReadonlySet<string> } {
  try {
    const given = readArguments(argv, flags, switches)
    if (given.help === true) throw new UsageError(helpOf(program, flags, switches), true)
    const values = Object.entries(flags).map(([name, flag]) => {
      const text = given[kebab(name)]
      return [
        name,
        typeof text === 'string' ? flag.parse(text, `--${kebab(name)}`) : preset(name, flag),
      ]
    })
    check(Object.fromEntries(values) as FlagValues<F>)
    const on = Object.keys(switches).filter((name) => given[kebab(name)] === true)
    return { values: Object.fromEntries(values) as FlagValues<F>, switches: new Set(on) }
  } catch (error) {
    if (error instanceof UsageError && error.isHelp) process.stdout.write(error.message)
    else if (error instanceof UsageError) process.stderr.write(`error: ${error.message}\n`)
    throw error
  }
}

function readArguments(
  argv: readonly string[],
  flags: Flags,
  switches: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const withValue = Object.keys(flags).map((name) => [kebab(name), { type: 'string' }] as const)
  const without = [...Object.keys(switches), 'help'].map(
    (name) => [kebab(name), { type: 'boolean' }] as const,
  )
  try {
    const options = Object.fromEntries<{ type: 'string' | 'boolean' }>([...withValue, ...without])
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}; see --help`)
  }
}

function preset(name: string, flag: Flag<unknown>): unknown {
  if (flag.preset !== 'required') return flag.preset
  throw new UsageError(`--${kebab(name)} ${flag.value} is missing: ${flag.what}`)
}

function helpOf(
  program: { readonly name: string; readonly about: string },
  flags: Flags,
  switches: Readonly<Record<string, string>>,
): string {
  const rows = [
    ...Object.entries(flags).map(
      ([name, flag]) => [`--${kebab(name)} ${flag.value}`, describe(flag)] as const,
    ),
    ...Object.entries(switches).map(([name, what]) => [`--${kebab(name)}`, what] as const),
    ['--help', 'this text'] as const,
  ]
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`)
  return `usage: ${program.name} [flags]\n\n${program.about}\n\n${lines.join('\n')}\n`
}

function describe({ what, preset: value }: Flag<unknown>): string {
  if (value === undefined) return what
  return value === 'required' ? `${what} (required)` : `${what} (${shown(value)})`
}

function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.values(value).join(':')
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)
}
