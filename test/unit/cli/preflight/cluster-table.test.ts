import assert from 'node:assert/strict'
import test from 'node:test'
import { clusterText } from '../../../../src/cli/preflight/cluster-table.ts'
import type { NodeAnswer } from '../../../../src/cli/preflight/node-answer.ts'
import { failure, verdictWith } from '../verdicts.ts'

const terminal = { color: false, columns: 100 }
const good = (node: string): NodeAnswer => ({ node, answered: true, verdict: verdictWith({}) })
const bad = (node: string): NodeAnswer => ({
  node,
  answered: true,
  verdict: verdictWith({ bpffs: failure('no bpf file system is mounted') }),
})
const silent: NodeAnswer = {
  node: 'n9',
  answered: false,
  wanted: true,
  error: 'it cannot be reached: it is not Ready: Kubelet stopped posting node status.',
  hint: 'ask again once it is',
}
const other: NodeAnswer = {
  node: 'w1',
  answered: false,
  wanted: false,
  error: 'it runs windows: Sluice is for Linux',
  hint: '',
}

function textOf(...nodes: readonly NodeAnswer[]): string {
  return clusterText({ ok: false, image: 'i', nodes }, terminal)
}

test('a line a node, and what is wrong once, with the nodes that say so', () => {
  const text = textOf(good('n1'), bad('n2'), bad('n3'), silent, other)
  assert.match(text, /^n1 +6\.1\.0-test +runs$/m)
  assert.match(text, /^n2 +6\.1\.0-test +cannot run$/m)
  assert.match(text, /^n9 +- +unknown$/m)
  assert.match(text, /^w1 +- +not for it$/m)
  assert.equal(text.match(/no bpf file system is mounted/g)?.length, 1)
  assert.match(text, /^× .*\(n2, n3\)$/m)
  assert.match(text, /^× No answer \(n9\)\n {4}it cannot be reached.*\n {4}hint: /m)
  assert.match(text, /Sluice runs on 1 of 4 nodes; of 1 it is not known\.\n$/)
})

test('where all is well it says no more than that', () => {
  const text = textOf(good('n1'), good('n2'))
  assert.equal(text.split('\n').length, 6)
  assert.match(text, /Sluice runs on 2 of 2 nodes\.\n$/)
})
