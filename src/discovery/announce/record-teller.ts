import { raceSignal } from '../../clock/race-signal.ts'
import { MAX_RECORDS } from '../kad/kad-client.ts'
import type { KadClient, KadPeer, Reach } from '../kad/kad-client.ts'
import type { PeerTiming } from '../kad/peer-timing.ts'
import type { Discloses } from '../kad/walker.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CID } from 'multiformats/cid'

export interface RecordTellerComponents {
  readonly clock: Clock
  readonly log: Logger
  readonly client: Pick<KadClient, 'addProviders'>
  readonly timing: Pick<PeerTiming, 'dead' | 'dialled' | 'failed'>
}

export interface TellOptions {
  readonly signal: AbortSignal
  /** Us, as whoever asks is to find us */
  readonly self: Pick<KadPeer, 'id' | 'addresses'>
  /** Each record is disclosed to the peer that keeps it */
  request (cid: CID): Discloses
}

/** Milliseconds for one batch: a dial, and 64 records at 100 ms each on a machine that is busy */
const BATCH_TIMEOUT = 15_000
const SHA2_256 = 0x12

/** Hands records to the peers that are to keep them, many at a time */
export class RecordTeller {
  readonly #components: RecordTellerComponents
  /** Records taken, and peers that were left alone because they were known to be dead */
  records = 0
  passedOver = 0

  constructor (components: RecordTellerComponents) {
    this.#components = components
  }

  /** @returns those that the peer took: what fails is counted against the peer, and rejects only when the signal aborts */
  async tell (peer: KadPeer, cids: readonly CID[], options: TellOptions): Promise<CID[]> {
    const taken: CID[] = []
    // kad-dht takes no hash but SHA-256, and closes the stream: the others are told apart, so that they cost nobody a record
    const usual = cids.filter(({ multihash }) => multihash.code === SHA2_256)
    const others = cids.filter(({ multihash }) => multihash.code !== SHA2_256)

    for (const list of [usual, others]) {
      for (let i = 0; i < list.length; i += MAX_RECORDS) {
        const batch = list.slice(i, i + MAX_RECORDS)

        if (!await this.#batch(peer, batch, options)) {
          break
        }
        taken.push(...batch)
      }
    }
    this.records += taken.length
    return taken
  }

  async #batch (peer: KadPeer, cids: readonly CID[], { signal, self, request }: TellOptions): Promise<boolean> {
    const { clock, client, timing, log } = this.#components
    const askedAt = clock.now()
    let reach: Reach | undefined
    signal.throwIfAborted()

    if (timing.dead(peer.id, askedAt, peer.addresses)) {
      this.passedOver++
      return false
    }

    using timeout = clock.timeout(BATCH_TIMEOUT)
    const records = cids.map(cid => ({
      multihash: cid.multihash.bytes,
      disclosure: request(cid).disclose({ observer: `p2p:${peer.id}`, form: 'multihash', transport: 'dht', audience: 'one' })
    }))
    const either = AbortSignal.any([signal, timeout.signal])
    const onReached = (how: Reach): void => {
      reach = how
      if (how.dialled != null) {
        timing.dialled(peer.id, how.dialled)
      }
    }

    try {
      await raceSignal(client.addProviders(peer, records, self, { signal: either, onReached }), either)
      return true
    } catch (err) {
      signal.throwIfAborted()
      log.trace('%s took none of %d records - %e', peer.id, cids.length, err)

      // an answer that makes no sense, or a stream that it closes, are no silence
      if (timeout.signal.aborted || (err as { reason?: unknown }).reason === 'unreachable') {
        timing.failed(peer.id, { reach, addresses: peer.addresses, askedAt, now: clock.now() })
      }
      return false
    }
  }
}
