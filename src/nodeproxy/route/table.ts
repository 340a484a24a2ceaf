import { sameData } from '../../model/equal.ts'
import type { HttpPathMatch, PortRoutes } from '../../model/http-routes.ts'
import { type LinearRegex, lazyRegex } from '../../model/linear-regex.ts'
import { type Bucket, buildBucket, type Candidate, type Rank } from './bucket.ts'
import { type CompiledMatch, type CompiledRule, compileRule } from './compiled-rule.ts'
import {
  comparePatterns,
  createNode,
  createPathIndex,
  nodeAt,
  type PathIndex,
  type PathNode,
} from './path-index.ts'
import { literalElements } from './regex-literal.ts'

/** The rules for one port and one namespace's clients; never changed, replaced as a whole. */
export interface RouteTable {
  readonly port: number
  readonly index: PathIndex<CompiledRule>
  /** By `route` and `name`: what a next table goes on from. */
  readonly rules: ReadonlyMap<string, CompiledRule>
  /** By pattern, for the same reason. */
  readonly regexes: ReadonlyMap<string, LinearRegex>
}

/** A table that is being made, a little at a time, beside the one that is in use. */
export interface TableBuilder {
  /** @returns the table; undefined when the time was not enough, and there is more to do */
  step(untilMs: number): RouteTable | undefined
}

/**
 * @param previous rules that are the same are the same objects then: what is kept by rule, as the
 *     turns of its backends, goes on
 * @param now milliseconds, as what step() is given
 */
export function createTableBuilder(
  routes: PortRoutes,
  previous: RouteTable | undefined,
  now: () => number,
): TableBuilder {
  const work = build(routes, previous)
  return {
    step(untilMs) {
      for (;;) {
        const { done, value } = work.next()
        if (done === true) return value
        if (now() >= untilMs) return undefined
      }
    },
  }
}

/** In one go, for tests and small tables. */
export function createTable(routes: PortRoutes, previous?: RouteTable): RouteTable {
  const work = build(routes, previous)
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}

type Candidates = Candidate<CompiledRule>[]

/** Candidates by what their bucket will be found by. */
interface Groups {
  readonly exact: Map<string, Candidates>
  readonly prefixes: Map<PathNode<CompiledRule>, Candidates>
  readonly regexes: Map<string, Candidates>
  readonly root: PathNode<CompiledRule>
}

function* build(
  { port, rules: sources }: PortRoutes,
  previous: RouteTable | undefined,
): Generator<void, RouteTable> {
  const rules = new Map<string, CompiledRule>()
  const groups: Groups = {
    exact: new Map(),
    prefixes: new Map(),
    regexes: new Map(),
    root: createNode(),
  }
  let order = 0
  for (const source of sources) {
    const key = `${source.route} ${source.name}`
    const before = previous?.rules.get(key)
    const rule =
      before !== undefined && sameData(before.source, source) ? before : compileRule(source)
    rules.set(key, rule)
    for (const match of rule.matches) {
      const { predicates } = match
      const candidate = { predicates, rank: rankOf(match, order), value: rule }
      groupOf(groups, match.path).push(candidate)
      order += 1
    }
    yield
  }
  const exact = new Map<string, Bucket<CompiledRule>>()
  for (const [path, candidates] of groups.exact) {
    exact.set(path, yield* buildBucket(candidates))
    yield
  }
  for (const [node, candidates] of groups.prefixes) {
    node.prefix = yield* buildBucket(candidates)
    yield
  }
  const regexes = yield* placeRegexes(groups, previous)
  return { port, rules, regexes, index: createPathIndex(exact, groups.root) }
}

function rankOf({ source }: CompiledMatch, order: number): Rank {
  return {
    method: source.method === '' ? 1 : 0,
    headers: -source.headers.length,
    query: -source.query.length,
    order,
  }
}

function groupOf(groups: Groups, { type, value }: HttpPathMatch): Candidates {
  switch (type) {
    case 'exact':
      return listAt(groups.exact, value)
    case 'prefix':
      return listAt(groups.prefixes, nodeAt(groups.root, value))
    default:
      return listAt(groups.regexes, value)
  }
}

function listAt<K>(lists: Map<K, Candidates>, key: K): Candidates {
  const known = lists.get(key)
  if (known !== undefined) return known
  const fresh: Candidates = []
  lists.set(key, fresh)
  return fresh
}

function* placeRegexes(
  { regexes, root }: Groups,
  previous: RouteTable | undefined,
): Generator<void, ReadonlyMap<string, LinearRegex>> {
  const made = new Map<string, LinearRegex>()
  const nodes = new Set<PathNode<CompiledRule>>()
  for (const [pattern, candidates] of regexes) {
    const regex = previous?.regexes.get(pattern) ?? lazyRegex(pattern)
    made.set(pattern, regex)
    const node = nodeAt(root, literalElements(pattern))
    const bucket = yield* buildBucket(candidates)
    node.regexes.push({ pattern, bucket, matches: (path) => regex.matches(path) })
    nodes.add(node)
    yield
  }
  for (const node of nodes) node.regexes.sort(comparePatterns)
  return made
}
