import { seededRandom } from '../../clock/random.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { MemoryNetwork } from '../memory/memory-network.ts'
import { dhtIdentity, publicAddress } from './dht-identity.ts'
import { startDhtNode } from './dht-node.ts'
import { drawn, settledTable } from './dht-table.ts'
import { compareDistance, keyOf } from './kad-distance.ts'
import type { DhtIdentity } from './dht-identity.ts'
import type { DhtKadOptions, DhtLibp2pOptions, DhtNode } from './dht-node.ts'
import type { MemoryNetworkInit } from '../memory/memory-network.ts'
import type { Random } from '../../interface/clock.ts'

export const DEFAULT_DHT_PROTOCOL = '/portolan/testing/kad/1.0.0'

/** As in Kubo and kad-dht */
const DEFAULT_K = 20

export interface DhtNetworkInit {
  /** Servers. @default 200 */
  nodes?: number
  /** Decides identities, tables, delays and who dies. @default 1 */
  seed?: number
  /** Share of the servers that is dead from the start, and still in the tables of the others. @default 0 */
  dead?: number
  /** @default '/portolan/testing/kad/1.0.0' */
  protocol?: string
  /** Peers of a bucket, and of an answer. @default 20 */
  k?: number
  memory?: Omit<MemoryNetworkInit, 'seed'>
  /** Servers look for themselves a second after their start, which connects nearly everybody with everybody. @default false */
  selfQuery?: boolean
  /** What the servers are given besides */
  libp2p?: DhtLibp2pOptions
}

export interface AddDhtNodeOptions {
  /** Answers others, and is found by them only once it has connected. @default false */
  server?: boolean
  /** Nobody can dial one that does not listen. @default true for servers and false for clients */
  listen?: boolean
  /** Has this node's table and position: what it measures can be compared */
  twin?: DhtIdentity & { readonly id: string }
  /** kad-dht looks for itself a second after its start. @default false */
  selfQuery?: boolean
  libp2p?: DhtLibp2pOptions
  kad?: DhtKadOptions
}

/**
 * Real libp2p nodes with real kad-dhts in one process, as in a network that has run for a while: each knows up to 20
 * peers of each of its buckets.
 */
export class DhtNetwork {
  readonly memory: MemoryNetwork
  readonly protocol: string
  readonly k: number
  readonly seed: number
  readonly #servers: DhtNode[] = []
  readonly #others: DhtNode[] = []
  readonly #tables = new Map<string, { readonly table: readonly DhtIdentity[], readonly position: string }>()
  readonly #random: Random
  #addresses = 0

  constructor ({ seed = 1, protocol = DEFAULT_DHT_PROTOCOL, k = DEFAULT_K, memory }: Omit<DhtNetworkInit, 'nodes' | 'dead'> = {}) {
    this.memory = new MemoryNetwork({ ...memory, seed })
    this.protocol = protocol
    this.k = k
    this.seed = seed
    this.#random = seededRandom(seed)
  }

  /** Those that were there from the start, dead ones included */
  get servers (): readonly DhtNode[] {
    return this.#servers
  }

  /** @internal */
  async begin (count: number, options: Pick<AddDhtNodeOptions, 'selfQuery' | 'libp2p'>): Promise<void> {
    const identities: DhtIdentity[] = []

    for (let i = 0; i < count; i++) {
      identities.push(await dhtIdentity(this.#random, this.#address()))
    }

    for (const identity of identities) {
      const table = settledTable(identity.key, identities, this.k, this.#random)
      this.#servers.push(await this.#start(identity, table, { ...options, server: true }))
    }
  }

  /** One more node, which the others do not know yet */
  async add (options: AddDhtNodeOptions = {}): Promise<DhtNode> {
    const { server = false, listen = server, twin } = options
    const identity = await dhtIdentity(this.#random, listen ? this.#address() : undefined)
    const known = twin == null ? undefined : this.#tables.get(twin.id)
    const table = known?.table ?? settledTable(identity.key, this.#servers, this.k, this.#random)
    const node = await this.#start(identity, table, { ...options, position: known?.position })
    this.#others.push(node)
    return node
  }

  /** Servers nearest to a preimage (a multihash, or the bytes of a peer id) */
  closest (preimage: Uint8Array, { count = this.k, dead = false }: { count?: number, dead?: boolean } = {}): DhtNode[] {
    const target = keyOf(preimage)

    return this.#servers
      .filter(node => dead || this.alive(node.id))
      .sort((a, b) => compareDistance(target, a.key, b.key))
      .slice(0, count)
  }

  alive (id: string): boolean {
    return this.memory.mode(id) === 'live'
  }

  /**
   * Takes a share of all servers away, by lot among the living
   *
   * @param options - `mute`: the share of them that stays connected and says nothing, @default 0.5; the rest is gone
   */
  kill (share: number, { mute = 0.5 }: { mute?: number } = {}): DhtNode[] {
    if (!(share >= 0 && share <= 1 && mute >= 0 && mute <= 1)) {
      throw new InvalidOptionError(`The shares of the dead and of the mute among them are numbers from 0 to 1, not ${share} and ${mute}`)
    }

    const dying = drawn(this.#servers.filter(node => this.alive(node.id)), Math.round(share * this.#servers.length), this.#random)

    for (const [i, node] of dying.entries()) {
      this.memory.setMode(node.id, i < Math.round(dying.length * mute) ? 'mute' : 'gone')
    }

    return dying
  }

  async stop (): Promise<void> {
    await Promise.all([...this.#others, ...this.#servers].map(async node => { await node.libp2p.stop() }))
  }

  #address (): string {
    return publicAddress(this.#addresses++)
  }

  async #start (identity: DhtIdentity, table: readonly DhtIdentity[], { server = false, selfQuery = false, libp2p, kad, position }: AddDhtNodeOptions & { position?: string }): Promise<DhtNode> {
    const node = await startDhtNode({
      memory: this.memory,
      protocol: this.protocol,
      k: this.k,
      identity,
      server,
      table,
      selfQuery,
      ...(libp2p == null ? {} : { libp2p }),
      ...(kad == null ? {} : { kad }),
      ...(position == null ? {} : { position })
    })
    this.#tables.set(node.id, { table, position: position ?? node.id })
    return node
  }
}

/**
 * Starts such a network
 *
 * @example
 *
 * ```ts
 * import { dhtNetwork } from 'portolan/testing'
 *
 * const network = await dhtNetwork({ nodes: 30, seed: 7 })
 * const client = await network.add()
 * network.kill(0.3)
 * console.log(client.tableSize())
 * await network.stop()
 * ```
 */
export async function dhtNetwork (init: DhtNetworkInit = {}): Promise<DhtNetwork> {
  const { nodes = 200, dead = 0, selfQuery = false, libp2p } = init

  if (!(Number.isInteger(nodes) && nodes > 0 && nodes <= 65_536)) {
    throw new InvalidOptionError(`A DHT has 1 to 65536 nodes, not ${nodes}`)
  }

  const network = new DhtNetwork(init)

  try {
    await network.begin(nodes, { selfQuery, libp2p })
    network.kill(dead)
    return network
  } catch (err) {
    await network.stop()
    throw err
  }
}
