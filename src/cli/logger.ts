import { defaultLogger, disable, enable } from 'birnam'
import type { ComponentLogger } from '@libp2p/interface'

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'

const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3, trace: 4 }

/** What an operator reads: one line each, on standard error */
export interface OperatorLog {
  error (text: string): void
  warn (text: string): void
  info (text: string): void
}

export function operatorLog (level: LogLevel, stderr: NodeJS.WritableStream): OperatorLog {
  const line = (at: LogLevel, prefix: string) => (text: string): void => {
    if (RANK[at] <= RANK[level]) {
      stderr.write(`${prefix}${text}\n`)
    }
  }
  return { error: line('error', 'error: '), warn: line('warn', 'warning: '), info: line('info', '') }
}

/** What befell the blocks is told without being asked: damage, repairs, a disk that fails, a former store that is taken over */
const TOLD = 'portolan:cache*:error,portolan:store,portolan:store:error'

/**
 * The components' own logs, as Helia and libp2p write them: silent up to
 * `info` but for what befalls the blocks, unless the DEBUG variable asks for some of them.
 */
export function componentLogger (level: LogLevel, environment: Readonly<Record<string, string | undefined>>): ComponentLogger {
  if (RANK[level] >= RANK.debug) {
    enable(level === 'trace' ? '*,*:trace' : 'portolan*,helia*,libp2p*,-*:trace')
  } else if (environment.DEBUG == null || environment.DEBUG === '') {
    disable()
    if (RANK[level] >= RANK.warn) {
      enable(TOLD)
    }
  }
  return defaultLogger()
}
