import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { ProviderRecords } from '../../../src/discovery/records/provider-records.ts'
import { RecordedSource } from '../../../src/discovery/records/recorded-source.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { RoutingRequest } from '../../../src/routing/request.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { Provider } from '../../../src/interface/provider.ts'

const CID_TEXT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const WANT = { cid: CID.parse(CID_TEXT), key: blockKey(CID.parse(CID_TEXT)) }
const [A, B] = ['a', 'b'].map(name => toProvider(`https://${name}.example`, { source: 'dht' })) as [Provider, Provider]

it.each(['fails', 'ends as if there were no more'])('a lookup that everybody has left is not taken for a whole answer, though its source %s then', async how => {
  const clock = new VirtualClock()
  const records = new ProviderRecords(clock)
  records.set('dht', WANT.key, [A], false)
  // old enough to be asked for again
  await clock.run(clock.sleep(400_000))
  const source = new RecordedSource({
    records,
    clock,
    logger: silentLogger,
    source: { name: 'dht', find: (_, { signal }) => ({ [Symbol.asyncIterator]: () => untilAborted(B, signal, how === 'fails') }) }
  })
  const request = new RoutingRequest({ clock, ledger: { intended () {}, settled () {} } }, {
    id: 'r',
    purpose: 'read',
    mode: 'open',
    signal: new AbortController().signal,
    deadline: () => clock.now() + 30_000,
    priority: () => 0
  })
  for await (const { id } of source.find(WANT, request)) {
    if (id === B.id) {
      break
    }
  }
  // a renewal goes on for a while
  await clock.run(clock.sleep(120_000))
  expect(records.get('dht', WANT.key)?.providers.map(({ id }) => id).toSorted()).toEqual([A.id, B.id])
})

/** Over in the very moment in which the signal aborts, before anybody else hears of it */
function untilAborted (first: Provider, signal: AbortSignal, fails: boolean): AsyncIterator<Provider> {
  let count = 0
  return {
    next: () => count++ === 0 ? Promise.resolve({ value: first }) : aborted(signal, fails)
  }
}

// no async function: that would end a moment later
function aborted (signal: AbortSignal, fails: boolean): Promise<IteratorResult<Provider>> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => { fails ? reject(signal.reason as Error) : resolve({ done: true, value: undefined }) })
  })
}
