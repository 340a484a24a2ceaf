import { isMap, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'

export interface LoadedYaml {
  readonly objects: readonly unknown[]
  /** Each with file, line, and fix. Where there are any, no object of the text is to be used. */
  readonly errors: readonly string[]
  /** `file:line` of an object. */
  readonly places: ReadonlyMap<unknown, string>
}

/**
 * Reads a text of several YAML documents. Empty documents are skipped, a `List` gives its items.
 * JSON is YAML, so it is read too.
 * @param file for errors
 */
export function loadYaml(text: string, file: string): LoadedYaml {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    // What is worth saying is an error here; nothing is to be written past us.
    logLevel: 'error',
  })
  const objects: unknown[] = []
  const errors: string[] = []
  const places = new Map<unknown, string>()
  const placeAt = (offset: number) => `${file}:${lines.linePos(offset).line}`
  const add = (value: unknown, node: Node | null) => {
    if (typeof value === 'object' && value !== null) {
      places.set(value, placeAt(node?.range?.[0] ?? 0))
      objects.push(value)
      return
    }
    const fix = 'write one object a document, separated by ---'
    errors.push(`${placeAt(node?.range?.[0] ?? 0)}: ${JSON.stringify(value)} is no object: ${fix}`)
  }
  for (const document of Array.isArray(documents) ? documents : []) {
    for (const { pos, message } of document.errors) {
      const { line, col } = lines.linePos(pos[0])
      errors.push(`${file}:${line}:${col}: ${message}: correct the YAML here or just before`)
    }
    if (document.errors.length > 0 || document.contents === null) continue
    const value = toJs(document, (cause) => {
      errors.push(`${placeAt(document.range[0])}: ${cause}: write the values out`)
    })
    if (value === undefined || value === null) continue
    const items = itemsOf(value)
    const nodes = itemNodes(document.contents)
    if (items === undefined) add(value, document.contents)
    else for (const [index, item] of items.entries()) add(item, nodes[index] ?? document.contents)
  }
  return { objects, errors, places }
}

/** Anchors that name nothing, or too many aliases, show only now. */
function toJs(document: { toJS: () => unknown }, onError: (cause: string) => void): unknown {
  try {
    return document.toJS()
  } catch (error) {
    onError(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

function itemsOf(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, items } = value as { kind?: unknown; items?: unknown }
  return kind === 'List' && Array.isArray(items) ? items : undefined
}

function itemNodes(contents: unknown): readonly (Node | null)[] {
  const items: unknown = isMap(contents) ? contents.get('items', true) : undefined
  return isSeq(items) ? (items.items as readonly (Node | null)[]) : []
}
