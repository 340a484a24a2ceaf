export interface MapFill {
  readonly map: string
  readonly entries: number
  readonly maxEntries: number
}
