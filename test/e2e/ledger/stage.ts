import type { Dice } from './dice.ts'
import type { SpiedNode } from './nodes.ts'
import type { RecordingLedger } from './recording-ledger.ts'
import type { World } from './world.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { ProviderHint } from '../../../src/interface/provider.ts'
import type { RetrieveContentOptions, RetrieveOptions, SessionOptions } from '../../../src/interface/routing.ts'
import type { SampleFile } from '../../../src/testing/sample-file.ts'
import type { CID } from 'multiformats/cid'

/** Errors that say that this test is wrong, and not somebody who fails on purpose */
const OUR_OWN = ['TypeError', 'ReferenceError', 'InvalidOptionError']

/** A node among spies, and those who read by it: each of their calls is counted */
export class Stage {
  readonly spies: World
  readonly node: SpiedNode
  readonly mode: PrivacyMode
  readonly ledger: RecordingLedger
  readonly played = { hinted: new Set<string>(), coalesced: new Set<string>(), failures: new Map<string, string>(), hits: 0, joined: 0 }
  readonly faults: string[] = []
  /** Calls that were made while the node ran */
  retrievals = 0
  /** What is read from here on is not counted: the node may be stopped by then */
  ended = false

  constructor (spies: World, node: SpiedNode, mode: PrivacyMode, ledger: RecordingLedger) {
    this.spies = spies
    this.node = node
    this.mode = mode
    this.ledger = ledger
  }

  async retrieve (cid: CID, options: RetrieveOptions = {}): Promise<Uint8Array | undefined> {
    this.#count([keyOf(cid)], options.providers)
    return quietly(async () => this.node.contentRouting.retrieve(cid, options))
  }

  /** @param until - chunks after which the reader leaves. @default never */
  async content ({ root, blocks }: SampleFile, options: RetrieveContentOptions = {}, until = Infinity): Promise<number> {
    this.#count([...blocks.keys()], options.providers)
    let length = 0
    let left = until

    await quietly(async () => {
      for await (const chunk of this.node.contentRouting.retrieveContent(root, options)) {
        length += chunk.length
        if (chunk.length > 0 && --left === 0) {
          return
        }
      }
    })
    return length
  }

  /** As code does that knows nothing of content routing */
  async get (cid: CID, signal: AbortSignal): Promise<void> {
    this.#count([keyOf(cid)])
    await quietly(async () => {
      for await (const bytes of this.node.helia.blockstore.get(cid, { signal })) {
        void bytes
      }
    })
  }

  /** Reads of one DAG, one after the other */
  async session ({ root, blocks }: SampleFile, cids: readonly CID[], options: SessionOptions, each: () => RetrieveOptions): Promise<void> {
    const reads = this.node.contentRouting.createSession(root, options)

    for (const cid of cids) {
      this.#count([...blocks.keys()], options.providers)
      await quietly(async () => reads.retrieve(cid, each()))
    }
    reads.close()
  }

  async announce (cids: readonly CID[], signal: AbortSignal): Promise<void> {
    await quietly(async () => this.node.contentRouting.announce(cids, { signal }))
  }

  /** A spy comes and wants to know what the node has */
  async asked (cid: CID, dice: Dice): Promise<void> {
    const spy = dice.pick(this.spies.peers)
    await quietly(async () => spy.ask(this.node.libp2p.getMultiaddrs(), cid, dice.chance(0.5) ? 'block' : 'have'))
  }

  #count (keys: readonly string[], hints: readonly ProviderHint[] = []): void {
    this.retrievals += this.ended ? 0 : 1

    for (const hint of hints) {
      const observer = observerOf(String(hint))
      keys.forEach(key => { this.played.hinted.add(`${key} ${observer}`) })
    }
  }
}

/** Whom a reader names, as the ledger does */
function observerOf (hint: string): string {
  const peer = hint.startsWith('/') ? hint.slice(hint.lastIndexOf('/') + 1) : hint
  return URL.canParse(hint) ? `http:${new URL(hint).host}` : `p2p:${peer}`
}

/** As the ledger names a block */
export function keyOf (cid: CID): string {
  return Buffer.from(cid.multihash.bytes).toString('base64url')
}

/** That a read fails among those who fail on purpose says nothing */
async function quietly<T> (work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (err) {
    if (OUR_OWN.includes((err as Error).name)) {
      throw err
    }
    return undefined
  }
}
