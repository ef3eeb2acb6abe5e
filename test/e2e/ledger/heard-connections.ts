import type { MultiaddrConnection, Transport } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]

/** Somebody connected; the result is called where that came to nothing */
export type OnHeard = (connection: MultiaddrConnection) => (error: Error) => void

/** A transport whose listeners tell of each connection as soon as it is there, before anybody has said who he is */
export function heardConnections (factory: TransportFactory, onHeard: OnHeard): TransportFactory {
  return components => {
    const transport = factory(components)
    const createListener: Transport['createListener'] = transport.createListener.bind(transport)

    transport.createListener = options => {
      const { upgrader } = options
      return createListener({
        ...options,
        upgrader: new Proxy(upgrader, {
          get: (target, name) => {
            if (name === 'upgradeInbound') {
              return async (...args: Parameters<typeof upgrader.upgradeInbound>) => {
                const failed = onHeard(args[0])
                try {
                  await target.upgradeInbound(...args)
                } catch (error) {
                  failed(error as Error)
                  throw error
                }
              }
            }
            const value: unknown = Reflect.get(target, name)
            return typeof value === 'function' ? value.bind(target) : value
          }
        })
      })
    }
    return transport
  }
}
