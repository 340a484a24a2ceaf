/** How a connection is carried: request by request, or as bytes. */
export type CarriedAs = 'http1' | 'opaque'

/**
 * @param appProtocol the model's: what a service port's appProtocol or the prefix of its name says.
 *   Only what is named HTTP/1.1 is read as such; HTTP/2 prior knowledge, and what nobody names, is
 *   carried as bytes
 */
export function carriedAs(appProtocol: string): CarriedAs {
  return appProtocol === 'http' ? 'http1' : 'opaque'
}
