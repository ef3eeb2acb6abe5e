import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { OwnCommands, OwnIdentity } from './own-commands.ts'

/** A new node starts within seconds on a busy machine */
const START_TIMEOUT = 60_000
/** The longest command makes a file of a GiB */
const COMMAND_TIMEOUT = 300_000
const STOP_TIMEOUT = 10_000

/** A node of ours in a process of its own */
export interface OwnProcess extends OwnIdentity {
  readonly pid: number
  tell<C extends keyof OwnCommands> (command: C, init: Parameters<OwnCommands[C]>[0]): Promise<ReturnType<OwnCommands[C]>>
  stop (): Promise<void>
}

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** `execArgv` is for profiling, such as `--cpu-prof` */
export async function ownProcess ({ execArgv = [] }: { execArgv?: readonly string[] } = {}): Promise<OwnProcess> {
  const child = fork(new URL('./own-process.ts', import.meta.url), [], { execArgv: [...execArgv] })
  const exited = once(child, 'exit') as Promise<[number | null]>
  const over = exited.then(([code]) => { throw new Error(`the process ended with exit code ${code}`) })
  // told to whoever waits for something
  over.catch(() => {})
  const waiting = new Map<number, (answer: Answer) => void>()
  let sent = 0

  const stop = async (): Promise<void> => {
    if (child.connected) {
      child.disconnect()
    }
    const hard = setTimeout(() => { child.kill('SIGKILL') }, STOP_TIMEOUT)
    await exited
    clearTimeout(hard)
  }

  try {
    const [identity] = await Promise.race([once(child, 'message', { signal: AbortSignal.timeout(START_TIMEOUT) }) as Promise<[OwnIdentity]>, over])
    child.on('message', (answer: Answer) => { waiting.get(answer.id)?.(answer) })

    return {
      ...identity,
      pid: child.pid ?? 0,

      async tell<C extends keyof OwnCommands> (command: C, init: Parameters<OwnCommands[C]>[0]) {
        const id = ++sent
        const { promise, resolve, reject } = Promise.withResolvers<Answer>()
        const late = setTimeout(() => { reject(new Error(`${command} took longer than ${COMMAND_TIMEOUT} ms`)) }, COMMAND_TIMEOUT)
        waiting.set(id, resolve)
        child.send({ id, command, init })

        try {
          const { result, error } = await Promise.race([promise, over])
          if (error != null) {
            throw new Error(`${command}: ${error}`)
          }
          return result as ReturnType<OwnCommands[C]>
        } finally {
          clearTimeout(late)
          waiting.delete(id)
        }
      },
      stop
    }
  } catch (err) {
    await stop()
    throw err
  }
}
