import type { Bucket, Candidate } from './bucket.ts'
import type { RequestHead } from '../codecs/request-head.ts'

/**
 * Candidates by path. Exact paths are found by one look, prefixes by a walk along the path's own
 * elements, and a regular expression is tried where the literal elements that it begins with are
 * those of the path: what a lookup costs grows with the path, not with the number of routes.
 */
export interface PathIndex<T> {
  /**
   * Exact before regular expression before prefix; of expressions the longer pattern, of prefixes
   * the longer prefix.
   */
  find(head: RequestHead): Found<T> | undefined
}

export interface Found<T> {
  readonly value: T
  /** Of the prefix that matched; 0 for other matches. */
  readonly prefixLength: number
}

export interface RegexEntry<T> {
  readonly pattern: string
  readonly bucket: Bucket<T>
  matches(path: string): boolean
}

export interface PathNode<T> {
  readonly children: Map<string, PathNode<T>>
  /** Of the prefix that ends here. */
  prefix: Bucket<T> | undefined
  /** Sorted, the longest pattern first. */
  regexes: RegexEntry<T>[]
}

export function createNode<T>(): PathNode<T> {
  return { children: new Map(), prefix: undefined, regexes: [] }
}

/** The node of a path's elements, made where it is not there. @param path empty, or `/a/b` */
export function nodeAt<T>(root: PathNode<T>, path: string): PathNode<T> {
  let node = root
  if (path === '') return node
  for (const element of path.slice(1).split('/')) {
    const child = node.children.get(element) ?? createNode<T>()
    node.children.set(element, child)
    node = child
  }
  return node
}

export function createPathIndex<T>(
  exact: ReadonlyMap<string, Bucket<T>>,
  root: PathNode<T>,
): PathIndex<T> {
  return {
    find(head) {
      const same = exact.get(head.path)?.find(head)
      if (same !== undefined) return { value: same.value, prefixLength: 0 }
      const visited = walk(root, head.path)
      return findRegex(visited, head) ?? findPrefix(visited, head)
    },
  }
}

interface Visit<T> {
  readonly node: PathNode<T>
  /** Of the path's part that leads to it. */
  readonly length: number
}

function walk<T>(root: PathNode<T>, path: string): readonly Visit<T>[] {
  const visited: Visit<T>[] = [{ node: root, length: 0 }]
  let node = root
  // Position of the `/` before the next element.
  let slash = 0
  while (slash < path.length && node.children.size > 0) {
    const next = path.indexOf('/', slash + 1)
    const end = next === -1 ? path.length : next
    const child = node.children.get(path.slice(slash + 1, end))
    if (child === undefined) break
    node = child
    visited.push({ node, length: end })
    slash = end
  }
  return visited
}

function findRegex<T>(visited: readonly Visit<T>[], head: RequestHead): Found<T> | undefined {
  let best: { entry: RegexEntry<T>; candidate: Candidate<T> } | undefined
  for (const { node } of visited) {
    for (const entry of node.regexes) {
      if (best !== undefined && comparePatterns(entry, best.entry) >= 0) break
      if (!entry.matches(head.path)) continue
      const candidate = entry.bucket.find(head)
      if (candidate !== undefined) best = { entry, candidate }
    }
  }
  return best === undefined ? undefined : { value: best.candidate.value, prefixLength: 0 }
}

/** Different patterns of one length: by their text, so that the order does not hang on chance. */
export function comparePatterns(a: { pattern: string }, b: { pattern: string }): number {
  if (a.pattern.length !== b.pattern.length) return b.pattern.length - a.pattern.length
  if (a.pattern === b.pattern) return 0
  return a.pattern < b.pattern ? -1 : 1
}

function findPrefix<T>(visited: readonly Visit<T>[], head: RequestHead): Found<T> | undefined {
  for (let index = visited.length - 1; index >= 0; index -= 1) {
    const visit = visited[index]
    const found = visit?.node.prefix?.find(head)
    if (visit !== undefined && found !== undefined) {
      return { value: found.value, prefixLength: visit.length }
    }
  }
  return undefined
}
