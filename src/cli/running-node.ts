import { raceSignal } from '../clock/race-signal.ts'
import { StoreLockedError } from '../config/errors.ts'
import { isOwnNode } from './control-egress.ts'
import { readControl } from './control-file.ts'
import { ownNodeDisclosure } from './own-request.ts'
import type { CommandContext } from './command.ts'
import type { RunningNode } from './control-egress.ts'

/** Whether somebody has the store; what a node wrote down is believed only then, for a node that was killed left it behind */
export async function storeIsTaken ({ config, signal }: CommandContext): Promise<boolean> {
  const { isStoreLocked } = await import('../config/store.ts')
  return await raceSignal(isStoreLocked(config.store), signal)
}

/** The node that has the store, and has shown that it is ours */
export async function runningNode ({ config, signal, clock }: CommandContext): Promise<RunningNode> {
  const running = await readControl(config.store)
  if (running != null && await isOwnNode(running, ownNodeDisclosure(signal, 'none'), { signal, clock })) {
    return running
  }
  throw new StoreLockedError(`the store ${config.store} is in use by another process, and no node that runs on it answers: another command has it, or a node that starts or stops; try again in a moment, or choose another directory with --store DIR`)
}
