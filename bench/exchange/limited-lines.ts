import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { LineInit } from './line-process.ts'
import type { Serving } from './own-commands.ts'

const START_TIMEOUT = 60_000
const ANSWER_TIMEOUT = 10_000

export interface LimitedLines {
  /** The same servers, at the other end of a line each */
  readonly servers: readonly Serving[]
  /** Bytes that came over each line so far */
  passed (): Promise<readonly number[]>
  stop (): Promise<void>
}

/** A line of its own before each server. Whoever stops the servers goes on to do so. */
export async function limitedLines (servers: readonly Serving[], bytesPerSecond: number): Promise<LimitedLines> {
  const init: LineInit = { ports: servers.map(({ multiaddr }) => portOf(multiaddr)), bytesPerSecond }
  const child = fork(new URL('./line-process.ts', import.meta.url), [JSON.stringify(init)], { execArgv: [] })
  const exited = once(child, 'exit')
  const over = exited.then(([code]) => { throw new Error(`the lines ended with exit code ${code}`) })
  // told to whoever waits for something
  over.catch(() => {})
  const said = async (timeout: number): Promise<number[]> => {
    const [message] = await Promise.race([once(child, 'message', { signal: AbortSignal.timeout(timeout) }) as Promise<[number[]]>, over])
    return message
  }
  const stop = async (): Promise<void> => {
    child.kill()
    await exited
  }

  try {
    const ports = await said(START_TIMEOUT)
    return {
      servers: servers.map((server, i) => ({ ...server, multiaddr: server.multiaddr.replace(/\/tcp\/\d+\//, `/tcp/${ports[i]}/`) })),
      async passed () {
        const answer = said(ANSWER_TIMEOUT)
        child.send('passed')
        return await answer
      },
      stop
    }
  } catch (err) {
    await stop()
    throw err
  }
}

function portOf (multiaddr: string): number {
  const port = /^\/ip4\/127\.0\.0\.1\/tcp\/(\d+)\//.exec(multiaddr)?.[1]
  if (port == null) {
    throw new Error(`no line leads to ${multiaddr}`)
  }
  return Number(port)
}
