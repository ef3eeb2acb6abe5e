import { InvalidConfigurationError } from '@helia/utils'
import { anySignal } from 'any-signal'
import { raceSignal } from '../../clock/race-signal.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { BlockBroker, BlockRetrievalOptions } from '@helia/interface'
import type { CID } from 'multiformats/cid'

/**
 * Races brokers as Helia does: all are asked at once, the first block that
 * verifies wins, the others are aborted. For reads that asked not to go through
 * content routing.
 *
 * @param disclose - makes the token for each broker that is asked
 */
export async function raceBrokers (cid: CID, brokers: readonly BlockBroker[], options: BlockRetrievalOptions, disclose: (broker: BlockBroker) => Disclosure): Promise<Uint8Array> {
  const able = brokers.filter(broker => broker.retrieve != null)
  if (able.length === 0) {
    throw new InvalidConfigurationError(`No block brokers capable of retrieving blocks are configured, the CID ${cid} cannot be fetched from the network`)
  }

  const controller = new AbortController()
  const signal = anySignal([controller.signal, options.signal])

  try {
    return await Promise.any(able.map(async broker => {
      const disclosure = disclose(broker)
      try {
        const bytes = await raceSignal(ask(broker, cid, { ...options, signal }), signal)
        disclosure.sent()
        return bytes
      } catch (err) {
        disclosure.unknown()
        throw err
      }
    }))
  } catch (err) {
    throw err instanceof AggregateError && err.errors.length === 1 ? err.errors[0] as Error : err
  } finally {
    controller.abort()
    signal.clear()
  }
}

async function ask (broker: BlockBroker, cid: CID, options: BlockRetrievalOptions): Promise<Uint8Array> {
  const { validateFn } = options
  let validated = false
  const bytes = await broker.retrieve?.(cid, {
    ...options,
    validateFn: async block => {
      await validateFn?.(block)
      validated = true
    }
  })
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`Block broker ${broker.name} resolved with something that is not bytes`)
  }
  if (!validated) {
    await validateFn?.(bytes)
  }
  return bytes
}
