/** Set by scripts/kernels/guest/boot.sh: this kernel runs on an emulated CPU. */
const inGuest = process.env['SLUICE_GUEST'] === '1'

/**
 * How many connections or bytes a test moves. An emulated CPU takes half an hour for what another
 * does in a minute; what is checked of each connection and byte stays the same.
 */
export function amount({ usual, emulated }: { usual: number; emulated: number }): number {
  return inGuest ? emulated : usual
}
