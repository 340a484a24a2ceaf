/** Bytes to lines of text, for newline-delimited JSON. A line may come in many pieces. */
export interface LineSplitter {
  /**
   * @returns the lines that are complete now. @throws RangeError when a line is longer than the
   * limit
   */
  push(chunk: Uint8Array): readonly string[]
}

const newline = 10

/** @param maxBytes of one line: whoever sends more is cut off, not stored */
export function createLineSplitter(maxBytes: number): LineSplitter {
  let pieces: Uint8Array[] = []
  let length = 0

  function take(last: Uint8Array): string {
    // Each line by itself, so that characters cut between chunks are whole again.
    const decoder = new TextDecoder()
    const text = pieces.map((piece) => decoder.decode(piece, { stream: true })).join('')
    pieces = []
    length = 0
    return text + decoder.decode(last)
  }

  return {
    push(chunk) {
      const lines: string[] = []
      let start = 0
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        check(length + end - start, maxBytes)
        const line = take(chunk.subarray(start, end))
        if (line !== '') lines.push(line)
        start = end + 1
      }
      const rest = chunk.subarray(start)
      length += rest.length
      check(length, maxBytes)
      if (rest.length > 0) pieces.push(rest)
      return lines
    },
  }
}

function check(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return
  throw new RangeError(
    `a line of more than ${maxBytes} bytes: the other side is faulty, or the limit is too low`,
  )
}
