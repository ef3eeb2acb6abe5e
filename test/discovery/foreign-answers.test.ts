import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { ForeignAnswers } from '../../src/discovery/foreign-answers.ts'
import { toProvider } from '../../src/provider/provider.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { ForeignAnswersComponents } from '../../src/discovery/foreign-answers.ts'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const [first, second] = await Promise.all([1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))

describe('a peer store that hangs', () => {
  const clock = new VirtualClock()
  const hangs = async (): Promise<never> => new Promise(() => {})
  const answers = new ForeignAnswers({
    clock,
    log: silentLogger.forComponent('test'),
    lookups: {
      async * find () {
        yield toProvider(`/ip4/192.0.2.1/tcp/4001/p2p/${first}`, { source: 'dht' })
        yield toProvider(`/p2p/${second}`, { source: 'dht' })
        yield toProvider('https://gateway.example', { source: 'dht' })
      }
    },
    peerStore: () => ({ merge: hangs, get: hangs }) as unknown as ReturnType<ForeignAnswersComponents['peerStore']>
  })

  it('keeps nobody from hearing who was found', async () => {
    const read = async (): Promise<string[]> => {
      const names: string[] = []
      for await (const { id } of answers.libp2p(cid) ?? []) {
        names.push(id.toString())
      }
      return names
    }
    expect(await clock.run(read())).toEqual([first, second])
    expect(clock.now()).toBe(4_000)
    expect(clock.pending).toBe(0)
  })

  it('nor those who ask Helia, who get whoever has an address', async () => {
    let found = 0
    const read = async (): Promise<void> => {
      for await (const { multiaddrs } of answers.helia(cid) ?? []) {
        expect(multiaddrs.length).toBeGreaterThan(0)
        found++
      }
    }
    await clock.run(read())
    expect(found).toBe(2)
    expect(clock.pending).toBe(0)
  })
})
