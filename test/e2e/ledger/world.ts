import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { seededRandom } from '../../../src/clock/random.ts'
import { sampleFile } from '../../../src/testing/sample-file.ts'
import { closedPort } from './closed-port.ts'
import { httpSpy } from './http-spy.ts'
import { peerSpy } from './peer-spy.ts'
import { respSpy } from './resp-spy.ts'
import { Sightings } from './sightings.ts'
import type { HttpConduct, HttpSpy } from './http-spy.ts'
import type { PeerConduct, PeerSpy } from './peer-spy.ts'
import type { RespConduct } from './resp-spy.ts'
import type { RespServer } from '../../cache/shared/resp-server.ts'
import type { SampleFile } from '../../../src/testing/sample-file.ts'

export const DHT_PROTOCOL = '/portolan-spies/kad/1.0.0'
const BLOCKS = 60
const FILES = 4

/** Dice of one seed */
export class Dice {
  readonly #random: { next (): number }

  constructor (seed: number) {
    this.#random = seededRandom(seed)
  }

  below (count: number): number {
    return Math.floor(this.#random.next() * count)
  }

  chance (share: number): boolean {
    return this.#random.next() < share
  }

  pick<T> (list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  some<T> (list: readonly T[], count: number): T[] {
    return [...list].map(value => ({ value, at: this.#random.next() })).sort((a, b) => a.at - b.at).slice(0, count).map(({ value }) => value)
  }
}

/** How often those who are asked fail, and by what */
const HTTP_FAULTS: readonly HttpConduct[] = ['missing', 'error', 'busy', 'gone', 'redirect', 'wrong', 'cut', 'reset', 'hang', 'slow', 'noise']
const PEER_FAULTS: readonly PeerConduct[] = ['missing', 'silent', 'wrong', 'late', 'abort', 'hangup']
const RESP_FAULTS: readonly RespConduct[] = ['silent', 'reset', 'error']

export interface World {
  readonly sightings: Sightings
  readonly dice: Dice
  readonly blocks: readonly CID[]
  readonly files: readonly SampleFile[]
  readonly keys: ReadonlySet<string>
  readonly gateways: readonly HttpSpy[]
  readonly peers: readonly PeerSpy[]
  readonly servers: readonly PeerSpy[]
  readonly routers: readonly HttpSpy[]
  readonly redis: RespServer
  /** A URL where nobody is */
  readonly dead: string
  /** How all of them can be reached by name: a name is an address here */
  readonly names: ReadonlyMap<string, string>
  readonly ports: ReadonlySet<number>
  readonly ids: ReadonlySet<string>
  readonly aliases: ReadonlyMap<string, string>
  readonly directory: string
  /** Share of what is asked of a spy that goes wrong */
  faults: number
  /** Whether the node asks our resolver: otherwise nobody is reached by name */
  named: boolean
  resolve (name: string): Promise<Array<{ address: string, family: number }>>
  resolveText (name: string): Promise<string[]>
  close (): Promise<void>
}

/** Everybody whom a node could ask, each of them a spy */
export async function world (seed: number): Promise<World> {
  const sightings = new Sightings()
  const dice = new Dice(seed)
  const held = new Map<string, Uint8Array>()
  const blocks: CID[] = []

  for (let i = 0; i < BLOCKS; i++) {
    const bytes = new TextEncoder().encode(`block ${i} of ${seed}: ${'x'.repeat(dice.below(2_000))}`)
    const digest = await sha256.digest(bytes)
    blocks.push(CID.createV1(0x55, digest))
    held.set(Buffer.from(digest.bytes).toString('base64url'), bytes)
  }
  const files = await Promise.all(Array.from({ length: FILES }, async (_, i) => sampleFile({ size: 200_000, chunkSize: 16_384, seed: seed * 100 + i })))
  files.forEach(file => { file.blocks.forEach((bytes, key) => { held.set(key, bytes) }) })

  const httpConduct = (what: 'connection' | 'request'): HttpConduct => {
    if (!dice.chance(made.faults)) {
      return 'good'
    }
    return what === 'connection' ? (dice.chance(0.3) ? 'deaf' : 'good') : dice.pick(HTTP_FAULTS)
  }
  const peerConduct = (what: 'stream' | 'message'): PeerConduct => {
    if (!dice.chance(made.faults)) {
      return 'good'
    }
    return what === 'stream' ? (dice.chance(0.3) ? 'refuse' : 'good') : dice.pick(PEER_FAULTS)
  }

  const names = new Map([['alpha.spies.test', '127.0.0.1'], ['beta.spies.test', '127.0.0.1'], ['peer.spies.test', '127.0.0.1']])
  const elsewhere = await httpSpy({ sightings, blocks: held })
  const gateways = await Promise.all(Array.from({ length: 4 }, async (_, i) => httpSpy({ sightings, blocks: held, names: i === 0 ? ['alpha.spies.test', 'beta.spies.test'] : [], conduct: httpConduct, elsewhere: elsewhere.url })))
  const gatewayIds = new Map<number, string>()
  for (const { port } of gateways) {
    gatewayIds.set(port, peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString())
  }
  const peers = await Promise.all(Array.from({ length: 4 }, async () => peerSpy({ sightings, blocks: held, conduct: peerConduct })))
  const servers: PeerSpy[] = []
  for (let i = 0; i < 6; i++) {
    servers.push(await peerSpy({
      sightings,
      blocks: held,
      conduct: peerConduct,
      dht: { protocol: DHT_PROTOCOL, providers: () => dice.some(peers, dice.below(3)), neighbours: () => servers }
    }))
  }
  const records = (subject: string, kind: 'providers' | 'peers'): object[] => kind === 'peers'
    ? peers.filter(({ id }) => id === subject).map(({ id, address }) => ({ Schema: 'peer', ID: id, Addrs: [address.split('/p2p/')[0]], Protocols: [] }))
    : [
        ...dice.some(peers, dice.below(2)).map(({ id, address }) => ({ Schema: 'peer', ID: id, Addrs: dice.chance(0.5) ? [address.split('/p2p/')[0]] : [], Protocols: ['transport-bitswap'] })),
        ...dice.some(gateways, dice.below(2)).map(({ port }) => ({ Schema: 'peer', ID: gatewayIds.get(port), Addrs: [`/ip4/127.0.0.1/tcp/${port}/http`], Protocols: ['transport-ipfs-gateway-http'] }))
      ]
  const routers = await Promise.all(Array.from({ length: 2 }, async () => httpSpy({ sightings, blocks: held, conduct: httpConduct, records })))
  const redis = await respSpy({ sightings, conduct: () => dice.chance(made.faults) ? dice.pick(RESP_FAULTS) : 'good' })
  const dead = await closedPort()
  const directory = await mkdtemp(join(tmpdir(), 'portolan-spies-'))

  const made: World = {
    sightings,
    dice,
    blocks,
    files,
    keys: new Set(held.keys()),
    gateways,
    peers,
    servers,
    routers,
    redis,
    dead: `http://127.0.0.1:${dead.port}`,
    names,
    ports: new Set([...gateways, ...routers, elsewhere].map(({ port }) => port).concat(Number(new URL(redis.url).port))),
    ids: new Set([...peers, ...servers].map(({ id }) => id)),
    aliases: new Map([...gatewayIds].map(([port, id]) => [`p2p:${id}`, `http:127.0.0.1:${port}`])),
    directory,
    faults: 0,
    named: true,
    async resolve (name) {
      sightings.see('party:dns', 'dns', 'hostname')
      const address = names.get(name)
      if (address == null || dice.chance(made.faults / 4)) {
        sightings.broke('party:dns')
        throw Object.assign(new Error(`${name} is not known here`), { code: 'ENOTFOUND' })
      }
      return [{ address, family: 4 }]
    },
    async resolveText () {
      sightings.see('party:dns', 'dns', 'hostname')
      return []
    },
    async close () {
      await Promise.all([...peers, ...servers].map(async peer => { await peer.close() }))
      await Promise.all([...gateways, ...routers, elsewhere].map(async spy => { await spy.close() }))
      await redis.close()
      await dead.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
  return made
}
