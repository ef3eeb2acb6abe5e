import type { ComponentLogger, Logger } from '../../interface/logger.ts'

/** What is used of libp2p's DCUtR */
interface Dcutr {
  readonly [Symbol.toStringTag]: string
  isStarted (): boolean
  start (): Promise<void>
  stop (): Promise<void>
}

const DCUTR = '@libp2p/dcutr'

export interface PunchingLibp2p {
  readonly status?: string
  readonly services?: object
}

/**
 * The hole punching of a libp2p node: it tells whoever is reached through a relay
 * all addresses of the node, so that it rests while a mode wants that nobody is told.
 */
export class HolePunching {
  readonly #node: () => PunchingLibp2p | undefined
  readonly #log: Logger
  #resting: readonly Dcutr[] = []

  /** @param node - may throw or return undefined while there is none */
  constructor (node: () => PunchingLibp2p | undefined, logger: ComponentLogger) {
    this.#node = node
    this.#log = logger.forComponent('portolan:exchange:relay')
  }

  /** How many services rest */
  get size (): number {
    return this.#resting.length
  }

  /** Whether a relayed connection would be made direct now */
  get active (): boolean {
    return this.#running().length > 0
  }

  async pause (): Promise<void> {
    const services = this.#running().filter(service => !this.#resting.includes(service))
    this.#resting = [...this.#resting, ...services]
    await Promise.all(services.map(async service => service.stop()))
    this.#log('%d services for hole punching rest', services.length)
  }

  /** As it was, where the node still runs */
  async resume (): Promise<void> {
    const resting = this.#resting
    this.#resting = []

    if (this.#libp2p()?.status !== 'stopped') {
      await Promise.all(resting.filter(service => !service.isStarted()).map(async service => service.start()))
    }
  }

  #running (): readonly Dcutr[] {
    return Object.values(this.#libp2p()?.services ?? {}).filter(isDcutr).filter(service => service.isStarted())
  }

  #libp2p (): PunchingLibp2p | undefined {
    try {
      return this.#node()
    } catch (err) {
      // withLibp2p's getter throws while the node does not run
      this.#log.trace('no libp2p node - %e', err)
      return undefined
    }
  }
}

function isDcutr (service: unknown): service is Dcutr {
  const known = service as Partial<Dcutr> | null | undefined
  return known?.[Symbol.toStringTag] === DCUTR && typeof known.stop === 'function' && typeof known.start === 'function' && typeof known.isStarted === 'function'
}
