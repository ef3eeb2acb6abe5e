import type { ComponentLogger, Logger } from '../interface/logger.ts'

/** Says nothing: for tests and simulations */
export const silentLogger: ComponentLogger = {
  forComponent: (): Logger => {
    const log = ((): void => {}) as unknown as Logger
    log.error = () => {}
    log.trace = () => {}
    log.enabled = false
    return log
  }
}
