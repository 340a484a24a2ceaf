import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { type Resource, resourceName } from '../../../../src/model/resources.ts'
import type { Delta } from '../../../../src/model/source.ts'
import { decodeRequest, encodeRequest } from '../../../../src/model/wire/request-message.ts'
import {
  decodeMeshMessage,
  meshResourceUrl,
  messageOf,
  versionOf,
} from '../../../../src/model/wire/resource-message.ts'
import { decodeResponse, encodeResponse } from '../../../../src/model/wire/response-message.ts'
import { messageType } from '../../../../src/model/wire/schema.ts'
import { resource } from '../arbitrary.ts'
import { service } from '../builders.ts'

/** Protobuf does not tell an empty list, or false, from one that is not there; nor do readers. */
function normal(value: Resource): Resource {
  return JSON.parse(
    JSON.stringify(value, (name, member: unknown) => {
      const optional = ['services', 'externalAddresses'].includes(name)
      return optional && Array.isArray(member) && member.length === 0 ? undefined : member
    }),
  ) as Resource
}

const response = messageType('envoy.service.discovery.v3.DeltaDiscoveryResponse')

/** The resource itself, out of the part of a response that carries it. */
function contentOf(one: Resource): Uint8Array {
  const { resources } = response.decode(messageOf(one).entry) as {
    readonly resources: readonly { readonly resource: { readonly value: Uint8Array } }[]
  }
  return resources[0]?.resource.value ?? new Uint8Array()
}

test('every resource is read as it was written', () => {
  fc.assert(
    fc.property(resource, (one) => {
      const back = decodeMeshMessage(contentOf(one))
      assert.ok(back.ok && back.value.kind === 'resource')
      assert.deepEqual(normal(back.value.resource), normal(one))
    }),
  )
})

test('the version is that of the content, on whichever side it is asked for', () => {
  fc.assert(
    fc.property(resource, resource, (one, other) => {
      const version = messageOf(one).version
      assert.equal(versionOf(structuredClone(one)), version)
      const same = JSON.stringify(normal(one)) === JSON.stringify(normal(other))
      if (!same) assert.notEqual(messageOf(other).version, version)
    }),
  )
})

test('a delta is read as it was written', () => {
  const names = fc.array(fc.constantFrom('address/default/10.0.0.1', 'node/n0'), { maxLength: 2 })
  const removals = fc.array(fc.constantFrom('workload/c/Pod/a/b', 'settings'), { maxLength: 2 })
  const delta = fc.record({
    nonce: fc.constantFrom('1', '42'),
    version: fc.constantFrom('', 'a.7'),
    upserts: fc.uniqueArray(resource, { maxLength: 3, selector: resourceName }),
    removals,
    absent: names,
    present: names,
    refused: fc.array(fc.constant({ name: 'x', error: 'why' })),
    complete: fc.boolean(),
  })
  fc.assert(
    fc.property(delta, (written) => {
      const read = decodeResponse(encodeResponse(written))
      assert.ok(read.ok)
      const { upserts, ...rest } = read.delta
      assert.deepEqual(upserts.map(normal), written.upserts.map(normal))
      assert.deepEqual(
        { present: [], refused: [], complete: false, ...rest },
        {
          nonce: written.nonce,
          version: written.version,
          removals: written.removals,
          absent: written.absent,
          present: written.present,
          refused: written.refused,
          complete: written.complete,
        },
      )
    }),
  )
})

test('a request is read as it was written, an ACK and a NACK too', () => {
  const first = {
    node: 'n0',
    subscribe: ['address/default/10.0.0.1'],
    unsubscribe: [],
    versions: new Map([['settings', 'abc']]),
  }
  assert.deepEqual(decodeRequest(encodeRequest(first)), { ok: true, value: first })
  const nack = {
    subscribe: [],
    unsubscribe: ['address/default/10.0.0.1'],
    versions: new Map(),
    nonce: '7',
    error: { message: 'service/a: wrong', rejected: ['service/a'] },
  }
  assert.deepEqual(decodeRequest(encodeRequest(nack)), { ok: true, value: nack })
})

test('bad resources are named, so that the rest can be sent again without them', () => {
  const good = service('web')
  const wrong = { ...service('bad'), ports: [{ name: '', port: 70_000, appProtocol: '' }] }
  const empty: Delta = { nonce: '3', version: '', upserts: [], removals: [], absent: [] }
  const read = decodeResponse(encodeResponse({ ...empty, upserts: [good, wrong] }))
  assert.ok(!read.ok)
  assert.equal(read.nonce, '3')
  assert.deepEqual(read.rejected, [resourceName(wrong)])
  assert.match(read.error, /ports\[0\]\.port is 70000/)
})

test('a resource under the name of another is refused', () => {
  const { version } = messageOf(service('web'))
  const any = { typeUrl: meshResourceUrl, value: contentOf(service('web')) }
  const sent = response.encode({
    nonce: '1',
    resources: [{ name: 'service/shop/other', version, resource: any }],
  })
  const read = decodeResponse(sent)
  assert.ok(!read.ok)
  assert.deepEqual(read.rejected, ['service/shop/other'])
})

test('what a newer sender adds is passed over', () => {
  const { root } = protobuf.parse(`syntax = "proto3"; package newer;
    message Gateway { string uid = 1; }
    message MeshSettings { string cluster = 1; string network = 2; string trust_domain = 3;
      string later = 99; }
    message MeshResource { MeshSettings settings = 1; Gateway gateway = 50; }`)
  const newer = root.lookupType('newer.MeshResource')
  const kind = newer.encode({ gateway: { uid: 'g' } }).finish()
  assert.deepEqual(decodeMeshMessage(kind), { ok: true, value: { kind: 'unknown' } })
  const settings = { cluster: 'c', network: 'n', trustDomain: 't', later: 'x' }
  const read = decodeMeshMessage(newer.encode({ settings }).finish())
  assert.ok(read.ok && read.value.kind === 'resource')
  assert.equal(read.value.resource.type, 'settings')
  assert.ok(!('later' in read.value.resource))
})

test('bytes that are no message are an error, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeRequest(bytes)
      decodeResponse(bytes)
      decodeMeshMessage(bytes)
    }),
  )
  assert.equal(decodeResponse(new Uint8Array([255, 255, 255])).ok, false)
  assert.equal(decodeRequest(new Uint8Array([255, 255, 255])).ok, false)
})
