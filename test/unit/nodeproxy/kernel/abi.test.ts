// bpf/abi.h is the one source of shared structs: what TypeScript believes of them is compared with
// the BTF of the compiled objects, and the rule that every return is counted with the sources.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import * as abi from '../../../../src/nodeproxy/kernel/abi.ts'
import { counterNames } from '../../../../src/nodeproxy/kernel/counters.ts'
import type { FieldKind, Fields, Layout } from '../../../../src/nodeproxy/kernel/layout.ts'
import { mapNames } from '../../../../src/nodeproxy/kernel/maps.ts'
import { optionalObjects, requiredObjects } from '../../../../src/nodeproxy/kernel/objects.ts'

interface BtfType {
  readonly id: number
  readonly kind: string
  readonly name: string
  readonly size?: number
  readonly type_id?: number
  readonly members?: readonly { name: string; type_id: number; bits_offset: number }[]
  readonly values?: readonly { name: string; val: number }[]
  readonly vars?: readonly { type_id: number }[]
}

interface Btf {
  readonly object: string
  readonly types: readonly BtfType[]
}

const root = join(import.meta.dirname, '../../../..')
const objectDir = join(root, 'build/bpf')
const objects = [...requiredObjects, ...optionalObjects].map(readBtf)

function readBtf(object: string): Btf {
  return { object, types: typesOf(join(objectDir, `${object}.bpf.o`)) }
}

function typesOf(file: string): readonly BtfType[] {
  const dump = ['-j', 'btf', 'dump', 'file', file]
  const json = execFileSync('bpftool', dump, { encoding: 'utf8', maxBuffer: 64 << 20 })
  return (JSON.parse(json) as { types: BtfType[] }).types
}

function kindOf(btf: Btf, typeId: number): string {
  const type = btf.types.find(({ id }) => id === typeId)
  if (type?.kind === 'TYPEDEF') return kindOf(btf, type.type_id ?? 0)
  return type?.kind === 'INT' ? `u${(type.size ?? 0) * 8}` : (type?.name ?? 'void')
}

const kindNames: Readonly<Record<FieldKind, string>> = {
  u16: 'u16',
  u32: 'u32',
  u64: 'u64',
  addr: 'sluice_addr',
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)
}

function camel(name: string): string {
  return name.toLowerCase().replaceAll(/_([a-z0-9])/gu, (_, letter: string) => letter.toUpperCase())
}

function tableOf({ name, bytes, fields }: Layout<Fields>): unknown {
  const members = Object.entries(fields).map(([field, [kind, offset]]) => [
    snake(field),
    kindNames[kind],
    offset,
  ])
  return { name, bytes, members }
}

const layouts = Object.values<unknown>(abi).filter(isLayout)

function isLayout(value: unknown): value is Layout<Fields> {
  return typeof value === 'object' && value !== null && 'fields' in value
}

const enums = [
  ['sluice_pod_flags', 'SLUICE_POD_', abi.podFlags],
  ['sluice_direction', 'SLUICE_', abi.directions],
  ['sluice_leg_flags', 'SLUICE_LEG_', abi.legFlags],
  ['sluice_bypass_flags', 'SLUICE_BYPASS_', abi.bypassFlags],
  ['sluice_sock_flags', 'SLUICE_SOCK_', abi.sockFlags],
  ['sluice_accept_mode', 'SLUICE_ACCEPTS_', abi.acceptModes],
  ['sluice_habit', 'SLUICE_HABIT_', abi.habits],
  ['sluice_unclassified', 'SLUICE_UNCLASSIFIED_', abi.unclassifiedModes],
  ['sluice_event_kind', 'SLUICE_EVENT_', abi.eventKinds],
] as const

/** Constants leave no BTF in the programs, and inlined structs may not: these variables do. */
function readHeader(): Btf {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-abi-'))
  const object = join(dir, 'header.o')
  const types = [
    ...layouts.map(({ name }) => `struct ${name}`),
    ...[...enums.map(([name]) => name), 'sluice_counter'].map((name) => `enum ${name}`),
  ]
  const variables = types.map((type, index) => `${type} variable_${index};`)
  const target = ['-g', '-O2', '-target', 'bpf', '-I', join(root, 'bpf')]
  const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
  const source = ['-idirafter', `/usr/include/${multiarch}`, '-c', '-x', 'c', '-']
  try {
    execFileSync('clang-19', [...target, ...source, '-o', object], {
      input: ['#include "abi.h"', ...variables].join('\n'),
    })
    return { object: 'abi.h', types: typesOf(object) }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

const header = readHeader()

for (const layout of layouts) {
  test(`struct ${layout.name} lies in memory as TypeScript says`, () => {
    const found = [header, ...objects].flatMap((btf) => {
      const type = btf.types.find(({ kind, name }) => kind === 'STRUCT' && name === layout.name)
      return type === undefined ? [] : [{ btf, type }]
    })
    assert.equal(found[0]?.btf, header)
    for (const { btf, type } of found) {
      const members = type.members?.map((member) => [
        member.name,
        kindOf(btf, member.type_id),
        member.bits_offset / 8,
      ])
      const inKernel = { name: type.name, bytes: type.size, members }
      assert.deepEqual(tableOf(layout), inKernel, `in ${btf.object}`)
    }
  })
}

function valuesOf(name: string, prefix: string): Record<string, number> {
  const type = header.types.find((it) => it.kind === 'ENUM' && it.name === name)
  const values = type?.values?.filter((it) => it.name.startsWith(prefix)) ?? []
  return Object.fromEntries(values.map((it) => [camel(it.name.slice(prefix.length)), it.val]))
}

for (const [name, prefix, table] of enums) {
  test(`enum ${name} has the numbers that TypeScript uses`, () => {
    assert.deepEqual({ ...table }, valuesOf(name, prefix))
  })
}

test('counters have the names and the order that TypeScript uses', () => {
  const values = valuesOf('sluice_counter', 'SLUICE_COUNT_')
  const inOrder = Object.entries(values).sort(([, a], [, b]) => a - b)
  assert.deepEqual(
    [...counterNames],
    inOrder.map(([name]) => name),
  )
})

test('every object declares the maps that TypeScript shares between them', () => {
  for (const { object, types } of objects) {
    const section = types.find(({ kind, name }) => kind === 'DATASEC' && name === '.maps')
    const variables = section?.vars?.map(
      ({ type_id }) => types.find(({ id }) => id === type_id)?.name,
    )
    assert.deepEqual(variables?.toSorted(), mapNames.toSorted(), object)
  }
})

test('every return of every program counts what happened', () => {
  const programs = /^SEC\("(?!license)[^"]+"\)\n(?:.|\n)*?^\}/gmu
  const uncounted: string[] = []
  let seen = 0
  for (const file of globSync('bpf/*.bpf.c', { cwd: root })) {
    const text = readFileSync(join(root, file), 'utf8')
    for (const [program] of text.matchAll(programs)) {
      seen += 1
      const returns = program.match(/return[^;]+;/gu) ?? []
      for (const line of returns) {
        if (!counting.test(line)) uncounted.push(`${file}: ${line.replaceAll(/\s+/gu, ' ')}`)
      }
    }
  }
  assert.ok(seen >= 17, `only ${seen} programs were found`)
  assert.deepEqual(uncounted, [])
})

/** Functions that end in count(), and the two that return what such a one gave. */
const counting = new RegExp(
  `return (${[
    'count',
    'by_tcp',
    'untouched',
    'proceed',
    'steer',
    'closed',
    'on_[a-z_]+',
    'listener_seen',
    'turns_blocking',
    'publish_probe',
    'app_sends',
    'leg_sends',
    '(closed|tcp|set->older_layout|nonblocking)[^;]*\\?[^;]*(count|untouched)',
  ].join('|')})\\(|return (verdict;|told\\(\\))`,
  'u',
)
