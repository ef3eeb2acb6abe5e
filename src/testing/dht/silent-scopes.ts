import type { ComponentLogger, Logger } from '@libp2p/interface'

const silent: Logger = Object.assign(() => {}, { error: () => {}, trace: () => {}, enabled: false, newScope: () => silent })

/** libp2p's loggers make one of their own for each stream, which is a good part of what a stream costs */
export const silentScopes: ComponentLogger = { forComponent: () => silent }
