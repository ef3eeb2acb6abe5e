import { FetchError } from '../../../interface/errors.ts'
import type { BitswapServer } from './server.ts'
import type { Transmit } from './serving.ts'
import type { BitswapNetwork } from '../network.ts'
import type { Connection } from '@libp2p/interface'

export interface NetworkAnswers {
  /** For the server's components */
  readonly transmit: Transmit
  /** Hands it what peers want; the returned function takes it away again */
  attach (server: Pick<BitswapServer, 'received' | 'gone' | 'serves'>): () => void
}

/**
 * Answers over the connection by which a peer last said what it wants: it is
 * never dialled, since whoever left has no use for an answer.
 */
export function networkAnswers (network: BitswapNetwork): NetworkAnswers {
  const connections = new Map<string, Connection>()

  return {
    async transmit (peer, message, { signal, disclosures, progress, onWriting, leaving }) {
      const connection = connections.get(peer)

      if (connection == null) {
        throw new FetchError('unreachable', `${peer} is not connected`, { provider: `p2p:${peer}` })
      }

      await network.write({ peer, connection, lane: 'answers' }, () => {
        onWriting()
        return { message, disclosures }
      }, { signal, progress, leaving })
    },

    attach (server) {
      const detach = network.receiveWants({
        serves: peer => server.serves(peer),
        wants ({ peer, connection, message }) {
          connections.set(peer, connection)
          server.received(peer, message)
        },
        left (peer) {
          connections.delete(peer)
          server.gone(peer)
        }
      })

      return () => {
        detach()
        connections.clear()
      }
    }
  }
}
