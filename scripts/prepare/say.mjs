/** Where the project lives: the folder above scripts/. */
export const root = new URL('../../', import.meta.url).pathname

/** A reason to stop that a person can act on: printed without a stack. */
export class SetupError extends Error {}

/**
 * Set-up talks on stderr alone, so that `-o json` output of what runs after it stays clean.
 * @param {string} message
 */
export function say(message) {
  process.stderr.write(`setup: ${message}\n`)
}
