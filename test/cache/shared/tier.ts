import { createHash } from 'node:crypto'
import { format } from 'node:util'
import { create } from 'multiformats/hashes/digest'
import { vi } from 'vitest'
import { blockVerifier } from '../../../src/block/verify.ts'
import { redisTier } from '../../../src/cache/shared/redis-tier.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { RoutingRequest } from '../../../src/routing/request.ts'
import type { RedisTierInit } from '../../../src/cache/shared/redis-options.ts'
import type { SharedTier, SharedTierComponents } from '../../../src/cache/shared/shared-tier.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { Logger } from '../../../src/interface/logger.ts'

export interface TestTier {
  readonly tier: SharedTier
  /** What was said to the log */
  readonly said: string[]
  /** Every disclosure of a block that was made, in its present state */
  readonly disclosed: DisclosureEntry[]
  /** Of connections */
  readonly connected: DisclosureEntry[]
}

/** A tier over the machine's clock with a ledger and a log that are kept */
export async function testTier (init: RedisTierInit, components: Partial<SharedTierComponents> = {}): Promise<TestTier> {
  const said: string[] = []
  const disclosed: DisclosureEntry[] = []
  const connected: DisclosureEntry[] = []
  const log = ((...args: unknown[]) => { said.push(format(...args)) }) as unknown as Logger
  log.error = log
  log.trace = log
  const ledger = { intended: (entry: DisclosureEntry) => { (entry.form === 'none' ? connected : disclosed).push(entry) }, settled: () => {} }
  const tier = await redisTier(init)({
    clock: systemClock,
    random: seededRandom(1),
    verifier: blockVerifier(),
    logger: { forComponent: () => log },
    request: (_, purpose) => new RoutingRequest({ ledger, clock: systemClock }, {
      id: 'test', purpose, mode: 'balanced', signal: new AbortController().signal, deadline: () => Infinity, priority: () => 0
    }),
    ...components
  })
  return { tier, said, disclosed, connected }
}

export interface SmallBlock {
  readonly multihash: Uint8Array
  readonly bytes: Uint8Array
  /** In the server */
  readonly key: string
}

export function smallBlock (number: number, size: number = 1000): SmallBlock {
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(0, number)
  const multihash = create(0x12, Uint8Array.from(createHash('sha256').update(bytes).digest())).bytes
  return { bytes, multihash, key: `portolan:1:${Buffer.from(multihash).toString('base64url')}` }
}

/** Offers a block until it is hot */
export function heat (tier: SharedTier, { multihash, bytes }: SmallBlock): void {
  tier.offer(multihash, bytes)
  tier.offer(multihash, bytes)
}

/** Until a condition holds: for what happens in another process or thread, and says nothing when it has */
export async function until (condition: () => boolean | Promise<boolean>, timeout = 15_000): Promise<void> {
  await vi.waitFor(async () => {
    if (!await condition()) {
      throw new Error(`it never came to that: ${condition.toString()}`)
    }
  }, { timeout, interval: 5 })
}
