import { raceSignal } from '../clock/race-signal.ts'
import { OfflineError } from '../interface/errors.ts'
import { MAX_SESSION_HINTS } from '../routing/session.ts'
import { readHints, retrieveOptions } from './read-options.ts'
import type { HintParser, ReadOptions } from './read-options.ts'
import type { Logger } from '../interface/logger.ts'
import type { ProviderHint } from '../interface/provider.ts'
import type { ContentRouting, RetrievalSession } from '../interface/routing.ts'
import type { BlockBroker, BlockRetrievalOptions, CreateSessionOptions, SessionBlockBroker } from '@helia/interface'
import type { CID } from 'multiformats/cid'

export const BROKER_NAME = 'content-routing'

export interface RoutingBrokerComponents {
  readonly log: Logger
  /** Resolves when reads can be taken */
  running (): Promise<Pick<ContentRouting, 'retrieve' | 'createSession'>>
  parseHint: HintParser
  /** A read that asked to go to the node's own brokers */
  bypass (cid: CID, options: BlockRetrievalOptions): Promise<Uint8Array>
  announce (cid: CID): void
}

/** Stands for all providers towards Helia: the node's only broker while content routing is on */
export class RoutingBroker implements BlockBroker {
  readonly name = BROKER_NAME
  readonly #components: RoutingBrokerComponents

  constructor (components: RoutingBrokerComponents) {
    this.#components = components
  }

  async retrieve (cid: CID, options: BlockRetrievalOptions & ReadOptions = {}): Promise<Uint8Array> {
    return this.#read(cid, options, async options => (await this.#components.running()).retrieve(cid, options))
  }

  async announce (cid: CID): Promise<void> {
    this.#components.announce(cid)
  }

  /** For those who go past `helia.blockstore.createSession`: Helia does not tell a broker the root, so it is the first block asked for */
  createSession (options: CreateSessionOptions = {}): SessionBlockBroker {
    const hints = readHints(options.providers, this.#components.parseHint, this.#components.log).slice(0, MAX_SESSION_HINTS)
    let session: RetrievalSession | undefined

    return {
      name: `${BROKER_NAME}-session`,
      addPeer: async peer => {
        for (const hint of readHints([peer], this.#components.parseHint, this.#components.log)) {
          if (session != null) {
            session.addProvider(hint)
          } else if (hints.length < MAX_SESSION_HINTS) {
            hints.push(hint)
          }
        }
      },
      announce: async cid => { await this.announce(cid) },
      retrieve: async (cid: CID, read: BlockRetrievalOptions & ReadOptions = {}) => {
        return this.#read(cid, { ...read, offline: options.offline === true || read.offline }, async read => {
          const routing = await this.#components.running()
          session ??= routing.createSession(cid, { providers: hints })
          return session.retrieve(cid, read)
        })
      }
    }
  }

  async #read (cid: CID, options: BlockRetrievalOptions & ReadOptions, retrieve: (options: ReturnType<typeof retrieveOptions>) => Promise<Uint8Array>): Promise<Uint8Array> {
    const { contentRouting, offline, signal } = options
    signal?.throwIfAborted()

    if (offline === true) {
      // Helia asks brokers for the children of an offline session too
      throw new OfflineError(`${cid} is not in the local store and the read is offline`)
    }
    if (contentRouting === false) {
      return raceSignal(this.#components.bypass(cid, options), signal)
    }

    const hints: ProviderHint[] = readHints(options.providers, this.#components.parseHint, this.#components.log)
    return raceSignal(retrieve(retrieveOptions(options, hints)), signal)
  }
}
