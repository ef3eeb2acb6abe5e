/**
 * Time and chance are passed in, so that every decision can be replayed. The
 * implementations live in `clock/` (the machine's) and `testing/` (virtual).
 */
export interface Clock {
  /** Monotonic milliseconds: for durations, timers and decay inside one process */
  now (): number
  /** Wall-clock milliseconds since the epoch: only for what is persisted or printed */
  wall (): number
  /** Calls `fn` once after `ms`; the returned function cancels it. Never keeps a process alive. */
  schedule (ms: number, fn: () => void): () => void
  /** Resolves after `ms`, rejects with the signal's reason when it aborts */
  sleep (ms: number, options?: { signal?: AbortSignal }): Promise<void>
  /** A signal that aborts with a `TimeoutError` after `ms`; dispose it to cancel the timer */
  timeout (ms: number): TimeoutSignal
}

export interface TimeoutSignal extends Disposable {
  readonly signal: AbortSignal
}

export interface Random {
  /** Uniform in [0, 1) */
  next (): number
}
