import type { Delta } from '../source.ts'

/** What a node sends. The first message of a stream is the hello. */
export type ClientMessage =
  | { readonly type: 'hello'; readonly node: string; readonly subscribe: readonly string[] }
  | { readonly type: 'subscribe'; readonly names: readonly string[] }
  | { readonly type: 'unsubscribe'; readonly names: readonly string[] }
  | { readonly type: 'ack'; readonly nonce: string }
  | {
      readonly type: 'nack'
      readonly nonce: string
      readonly error: string
      readonly rejected: readonly string[]
    }

/** What a node is sent. After an error the stream ends. */
export type ServerMessage =
  | { readonly type: 'delta'; readonly delta: Delta }
  | { readonly type: 'error'; readonly error: string }
