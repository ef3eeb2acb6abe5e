/** The part of Helia's and libp2p's component logger that is used here */
export interface Logger {
  (formatter: unknown, ...args: unknown[]): void
  error (formatter: unknown, ...args: unknown[]): void
  trace (formatter: unknown, ...args: unknown[]): void
  enabled?: boolean
}

export interface ComponentLogger {
  forComponent (name: string): Logger
}
