import { isStatus, type KubeApi } from '../kube/api.ts'
import {
  type AuthorityState,
  type AuthorityTimes,
  bundleOf,
  defaultAuthorityTimes,
  rotate,
  validity,
} from './authority-state.ts'
import { type KeyedCertificate, makeAuthority } from './certificates.ts'

/**
 * The authorities, kept in a Secret and published in a ConfigMap. Neither belongs to the chart: an
 * upgrade leaves them alone.
 */
export interface AuthorityStore {
  /** Reads them, and makes the first one where there is none. Publishes what is not. */
  open(): Promise<AuthorityState>
  /** Rotates if it is time; for one operator of all. */
  renew(): Promise<AuthorityState>
}

export interface AuthorityStoreOptions {
  readonly api: KubeApi
  readonly namespace: string
  readonly secret: string
  readonly configMap: string
  readonly times?: AuthorityTimes
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

interface Kept {
  readonly state: AuthorityState
  readonly resourceVersion: string
}

export function createAuthorityStore(options: AuthorityStoreOptions): AuthorityStore {
  const { api, namespace, secret, configMap, now = Date.now } = options
  const times = options.times ?? defaultAuthorityTimes
  const secrets = `/api/v1/namespaces/${namespace}/secrets`
  const configMaps = `/api/v1/namespaces/${namespace}/configmaps`
  const make = (valid: Parameters<typeof makeAuthority>[1]) =>
    makeAuthority('Sluice operator', valid)

  async function read(): Promise<Kept> {
    try {
      return keptOf(await api.call({ path: `${secrets}/${secret}` }))
    } catch (error) {
      if (!isStatus(error, 404)) throw error
    }
    const state = { current: await make(validity(now(), times.validMs)) }
    try {
      const body = { ...objectOf('Secret', secret), data: encode(state) }
      return keptOf(await api.call({ method: 'POST', path: secrets, body }))
    } catch (error) {
      // Another operator was first: his is the one.
      if (!isStatus(error, 409)) throw error
      return keptOf(await api.call({ path: `${secrets}/${secret}` }))
    }
  }

  async function publish(state: AuthorityState): Promise<void> {
    const bundle = bundleOf(state)
    const data = { 'ca.crt': bundle }
    try {
      const path = `${configMaps}/${configMap}`
      const found = (await api.call({ path })) as { readonly data?: typeof data }
      if (found.data?.['ca.crt'] === bundle) return
      const contentType = 'application/merge-patch+json'
      await api.call({ method: 'PATCH', path, body: { data }, contentType })
    } catch (error) {
      if (!isStatus(error, 404)) throw error
      const body = { ...objectOf('ConfigMap', configMap), data }
      await api.call({ method: 'POST', path: configMaps, body })
    }
  }

  return {
    async open() {
      const { state } = await read()
      await publish(state)
      return state
    },
    async renew() {
      const { state, resourceVersion } = await read()
      const rotated = await rotate(state, now(), times, make)
      if (rotated !== state) {
        // With the version that was read: of two who rotate, one is refused and reads again.
        const body = { ...objectOf('Secret', secret, resourceVersion), data: encode(rotated) }
        await api.call({ method: 'PUT', path: `${secrets}/${secret}`, body })
      }
      await publish(rotated)
      return rotated
    },
  }
}

function objectOf(kind: string, name: string, resourceVersion?: string): object {
  const labels = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'operator' }
  const version = resourceVersion === undefined ? {} : { resourceVersion }
  return { apiVersion: 'v1', kind, metadata: { name, labels, ...version } }
}

const files = {
  currentCertificate: 'tls.crt',
  currentKey: 'tls.key',
  nextCertificate: 'next.crt',
  nextKey: 'next.key',
  previous: 'previous.crt',
} as const

function encode({ current, next, previous }: AuthorityState): Readonly<Record<string, string>> {
  const plain = {
    [files.currentCertificate]: current.certificate,
    [files.currentKey]: current.privateKey,
    ...(next === undefined
      ? {}
      : { [files.nextCertificate]: next.certificate, [files.nextKey]: next.privateKey }),
    ...(previous === undefined ? {} : { [files.previous]: previous }),
  }
  return Object.fromEntries(
    Object.entries(plain).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  )
}

/** @throws Error naming the Secret when it is not what an operator wrote */
function keptOf(object: unknown): Kept {
  const { metadata, data } = object as {
    readonly metadata: { readonly name: string; readonly resourceVersion: string }
    readonly data?: Readonly<Record<string, string>>
  }
  const text = (file: string) => {
    const value = data?.[file]
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString()
  }
  const pair = (certificate = '', privateKey = ''): KeyedCertificate | undefined =>
    certificate === '' || privateKey === '' ? undefined : { certificate, privateKey }
  const current = pair(text(files.currentCertificate), text(files.currentKey))
  if (current === undefined) {
    throw new Error(
      `Secret ${metadata.name} has no ${files.currentCertificate} and ${files.currentKey}: ` +
        'delete it, and a new authority is made; nodes follow when they have it',
    )
  }
  const next = pair(text(files.nextCertificate), text(files.nextKey))
  const previous = text(files.previous)
  return {
    resourceVersion: metadata.resourceVersion,
    state: {
      current,
      ...(next === undefined ? {} : { next }),
      ...(previous === undefined ? {} : { previous }),
    },
  }
}
