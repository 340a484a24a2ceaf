/** Texts that many rows have, each kept once and known by a number. */
export interface Interner {
  /** Its number, for one more user. */
  take(text: string): number
  /** One user less; the number of a text that nobody uses is given to another one. */
  release(number: number): void
  text(number: number): string
  readonly size: number
}

export function createInterner(): Interner {
  const numbers = new Map<string, number>()
  const texts: string[] = []
  const users: number[] = []
  const free: number[] = []
  return {
    take(text) {
      const known = numbers.get(text)
      if (known !== undefined) {
        users[known] = (users[known] ?? 0) + 1
        return known
      }
      const number = free.pop() ?? texts.length
      texts[number] = text
      users[number] = 1
      numbers.set(text, number)
      return number
    },
    release(number) {
      const left = (users[number] ?? 1) - 1
      users[number] = left
      if (left > 0) return
      numbers.delete(texts[number] ?? '')
      texts[number] = ''
      free.push(number)
    },
    text: (number) => texts[number] ?? '',
    get size() {
      return numbers.size
    },
  }
}
