import { checkMeaning } from '../config/meaning.ts'
import { toStoreError } from '../config/store-problem.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { createPortolan } from '../portolan.ts'
import { nodeInit } from './node-init.ts'
import type { CommandContext } from './command.ts'
import type { Portolan, PortolanInit } from '../portolan.ts'

/**
 * Starts a node for a command. Ctrl-C ends the wait at once, even where a file
 * system never answers; errors name the option or the directory they are about.
 */
export async function startNode (context: Pick<CommandContext, 'config' | 'environment' | 'signal'>, extra: PortolanInit = {}): Promise<Portolan> {
  const { config, environment, signal } = context
  checkMeaning(config)

  const init = { ...nodeInit(config, environment), ...extra }
  const starting = createPortolan(init)
  try {
    return await raceSignal(starting, signal)
  } catch (err) {
    if (signal.aborted) {
      // it may still come up; what it has opened is closed again, and what hangs ends with the process
      starting.then(async node => { await node.stop() }).catch((late: unknown) => {
        init.logger?.forComponent('portolan:start').trace('start that was given up: %e', late)
      })
    }
    throw init.store === 'memory' ? err : toStoreError(err, config.store)
  }
}
