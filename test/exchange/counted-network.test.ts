import { expect, it } from 'vitest'
import { countedNetwork, noWireCounts } from '../../src/exchange/counted-network.ts'
import { sample } from './bitswap/attempt.ts'
import type { BitswapNetwork, Outgoing, Recipient } from '../../src/exchange/bitswap/network.ts'
import type { WireCounts } from '../../src/exchange/counted-network.ts'

const to = { peer: 'peer', lane: 'wants' } as Recipient
const options = { signal: new AbortController().signal }

/** A network that writes whatever it is given, or fails after it was composed */
function counted (failure?: Error): { readonly counts: WireCounts, readonly calls: string[], write (message?: Outgoing['message']): Promise<void>, readonly network: BitswapNetwork } {
  const counts = noWireCounts()
  const calls: string[] = []
  const network = countedNetwork({
    start: async () => { calls.push('start') },
    stop: async () => { calls.push('stop') },
    receiveBlocks: () => () => { calls.push('blocks') },
    receiveWants: () => () => { calls.push('wants') },
    fault: (peer, fault, message) => { calls.push(`${peer} ${fault} ${message}`) },
    write: async (_, compose) => {
      compose('/ipfs/bitswap/1.2.0')
      await null
      if (failure != null) {
        throw failure
      }
    }
  }, counts)

  return {
    counts,
    calls,
    network,
    write: async message => network.write(to, () => message == null ? undefined : { message, disclosures: [] }, options)
  }
}

it('counts wants and cancels apart, and messages', async () => {
  const { cid, bytes } = await sample(1)
  const want = { cid, type: 'block', priority: 1 } as const
  const { counts, write } = counted()
  expect(counts).toEqual({ wants: 0, cancels: 0, messages: 0 })

  await write({ wants: [want, { ...want, cancel: true }, want, { ...want, cancel: false }] })
  expect(counts).toEqual({ wants: 3, cancels: 1, messages: 1 })
  await write({ wants: [{ ...want, cancel: true }, { ...want, cancel: true }] })
  expect(counts).toEqual({ wants: 3, cancels: 3, messages: 2 })
  await write({ blocks: [{ cid, bytes }] })
  expect(counts).toEqual({ wants: 3, cancels: 3, messages: 3 })
})

it('counts nothing where there was nothing to say any more, or where it could not be written', async () => {
  const { cid } = await sample(1)
  const quiet = counted()
  await quiet.write()
  expect(quiet.counts).toEqual(noWireCounts())

  const broken = counted(new Error('the stream broke'))
  await expect(broken.write({ wants: [{ cid, type: 'block', priority: 1 }] })).rejects.toThrow('the stream broke')
  expect(broken.counts).toEqual(noWireCounts())
})

it('passes everything else on', async () => {
  const { calls, network } = counted()
  await network.start()
  network.receiveBlocks({} as never)()
  network.receiveWants({} as never)()
  network.fault('peer', 'slow', 'why')
  await network.stop()
  expect(calls).toEqual(['start', 'blocks', 'wants', 'peer slow why', 'stop'])
})
