import { RE2JS } from 're2js'

/** A regular expression that matches whole texts, in time linear in the text's length. */
export interface LinearRegex {
  matches(text: string): boolean
}

/** A program of so many instructions costs as many steps a character at worst. */
const maxInstructions = 1_000

/**
 * RE2's dialect: no back-references and no look-around, hence no text that makes it slow. V8's own
 * engine backtracks, and whoever sends a request would choose the text.
 * @throws Error that says what is wrong with it
 */
export function compileRegex(pattern: string): LinearRegex {
  const compiled = RE2JS.compile(pattern)
  const size = compiled.programSize()
  if (size > maxInstructions) {
    throw new Error(`it needs ${size} instructions, and ${maxInstructions} are allowed`)
  }
  return { matches: (text) => compiled.testExact(text) }
}

/**
 * The same, made when it is first asked: a table of thousands costs what its requests need. One
 * that is wrong, which whoever made the table should have seen, matches nothing.
 */
export function lazyRegex(pattern: string): LinearRegex {
  let regex: LinearRegex | undefined
  return {
    matches(text) {
      regex ??= compiledOrNone(pattern)
      return regex.matches(text)
    },
  }
}

function compiledOrNone(pattern: string): LinearRegex {
  try {
    return compileRegex(pattern)
  } catch {
    return { matches: () => false }
  }
}
