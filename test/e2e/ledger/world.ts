import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { sampleFile } from '../../../src/testing/sample-file.ts'
import { closedPort } from './closed-port.ts'
import { Dice } from './dice.ts'
import { httpSpy } from './http-spy.ts'
import { peerSpy } from './peer-spy.ts'
import { respSpy } from './resp-spy.ts'
import { Sightings } from './sightings.ts'
import type { HttpConduct, HttpSpy } from './http-spy.ts'
import type { PeerConduct, PeerSpy } from './peer-spy.ts'
import type { RespConduct } from './resp-spy.ts'
import type { RespServer } from '../../cache/shared/resp-server.ts'
import type { SampleFile } from '../../../src/testing/sample-file.ts'
import type { PrivateKey } from '@libp2p/interface'

export const DHT_PROTOCOL = '/portolan-spies/kad/1.0.0'
const BLOCKS = 60
/** Of which the last is large enough to come as one stream */
const FILES = [200_000, 200_000, 200_000, 2_500_000]
const LARGE = 1_000_000

/** By what those who are asked fail */
export const HTTP_FAULTS: readonly HttpConduct[] = ['missing', 'error', 'busy', 'gone', 'redirect', 'wrong', 'cut', 'reset', 'hang', 'slow', 'noise']
export const PEER_FAULTS: readonly PeerConduct[] = ['missing', 'silent', 'wrong', 'late', 'abort', 'hangup']
export const RESP_FAULTS: readonly RespConduct[] = ['error', 'silent', 'reset']

export interface World {
  readonly sightings: Sightings
  readonly dice: Dice
  readonly blocks: readonly CID[]
  readonly files: readonly SampleFile[]
  readonly keys: ReadonlySet<string>
  /** Every block, by its key */
  readonly held: ReadonlyMap<string, Uint8Array>
  readonly gateways: readonly HttpSpy[]
  readonly peers: readonly PeerSpy[]
  readonly servers: readonly PeerSpy[]
  readonly routers: readonly HttpSpy[]
  readonly redis: RespServer
  /** Of each fault one that has no other; empty unless asked for */
  readonly failing: { readonly gateways: ReadonlyMap<HttpConduct, HttpSpy>, readonly peers: ReadonlyMap<PeerConduct, PeerSpy> }
  /** What somebody does whatever the dice say, by name: `gateway-0`, `peer-3`, `server-1`, `router-0`, `redis`, `names` */
  readonly rules: Map<string, HttpConduct | PeerConduct | RespConduct | 'broken'>
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

export interface WorldInit {
  /** @default 60 */
  readonly blocks?: number
  /** Somebody for each way to fail. @default false */
  readonly failing?: boolean
}

/**
 * Everybody whom a node could ask, each of them a spy. What each of them does comes
 * from dice of its own: the same for its n-th question, whoever else is asked meanwhile.
 */
export async function world (seed: number, { blocks: count = BLOCKS, failing: fails = false }: WorldInit = {}): Promise<World> {
  const sightings = new Sightings()
  const dice = new Dice(seed)
  const held = new Map<string, Uint8Array>()
  const blocks: CID[] = []

  for (let i = 0; i < count; i++) {
    const bytes = new TextEncoder().encode(`block ${i} of ${seed}: ${'x'.repeat(dice.below(2_000))}`)
    const digest = await sha256.digest(bytes)
    blocks.push(CID.createV1(0x55, digest))
    held.set(Buffer.from(digest.bytes).toString('base64url'), bytes)
  }
  const files = await Promise.all(FILES.map(async (size, i) => sampleFile({ size, chunkSize: size < LARGE ? 16_384 : 65_536, seed: seed * 100 + i })))
  files.forEach(file => { file.blocks.forEach((bytes, key) => { held.set(key, bytes) }) })

  const httpConduct = (name: string): ((what: 'connection' | 'request') => HttpConduct) => {
    const own = dice.of(name)
    return what => {
      const rule = made.rules.get(name)
      if (rule != null) {
        return (rule === 'deaf') === (what === 'connection') ? rule as HttpConduct : 'good'
      }
      if (!own.chance(made.faults)) {
        return 'good'
      }
      return what === 'connection' ? (own.chance(0.3) ? 'deaf' : 'good') : own.pick(HTTP_FAULTS)
    }
  }
  const peerConduct = (name: string): ((what: 'stream' | 'message') => PeerConduct) => {
    const own = dice.of(name)
    return what => {
      const rule = made.rules.get(name)
      if (rule != null) {
        return (rule === 'refuse') === (what === 'stream') ? rule as PeerConduct : 'good'
      }
      if (!own.chance(made.faults)) {
        return 'good'
      }
      return what === 'stream' ? (own.chance(0.3) ? 'refuse' : 'good') : own.pick(PEER_FAULTS)
    }
  }
  const keyOf = async (name: string): Promise<PrivateKey> => generateKeyPairFromSeed('Ed25519', dice.of(`key of ${name}`).bytes(32))
  const gateway = async (name: string): Promise<HttpSpy> => httpSpy({ sightings, blocks: held, conduct: httpConduct(name), elsewhere: elsewhere.url })
  const peer = async (name: string): Promise<PeerSpy> => peerSpy({ sightings, blocks: held, conduct: peerConduct(name), privateKey: await keyOf(name) })

  const names = new Map([['alpha.spies.test', '127.0.0.1'], ['beta.spies.test', '127.0.0.1'], ['peer.spies.test', '127.0.0.1']])
  const elsewhere = await httpSpy({ sightings, blocks: held })
  const gateways = await Promise.all(Array.from({ length: 4 }, async (_, i) => gateway(`gateway-${i}`)))
  const gatewayIds = new Map<number, string>()
  for (const [i, { port }] of gateways.entries()) {
    gatewayIds.set(port, peerIdFromPrivateKey(await keyOf(`gateway-${i}`)).toString())
  }
  const peers = await Promise.all(Array.from({ length: 4 }, async (_, i) => peer(`peer-${i}`)))
  const failing = {
    gateways: new Map(await Promise.all((fails ? [...HTTP_FAULTS, 'deaf' as const] : []).map(async how => [how, await gateway(`failing-${how}`)] as const))),
    peers: new Map(await Promise.all((fails ? [...PEER_FAULTS, 'refuse' as const] : []).map(async how => [how, await peer(`failing-peer-${how}`)] as const)))
  }
  const servers: PeerSpy[] = []
  for (let i = 0; i < 6; i++) {
    const own = dice.of(`records of server-${i}`)
    servers.push(await peerSpy({
      sightings,
      blocks: held,
      conduct: peerConduct(`server-${i}`),
      privateKey: await keyOf(`server-${i}`),
      dht: { protocol: DHT_PROTOCOL, providers: () => own.some(peers, own.below(3)), neighbours: () => servers }
    }))
  }
  const records = (dice: Dice) => (subject: string, kind: 'providers' | 'peers'): object[] => kind === 'peers'
    ? peers.filter(({ id }) => id === subject).map(({ id, address }) => ({ Schema: 'peer', ID: id, Addrs: [address.split('/p2p/')[0]], Protocols: [] }))
    : [
        ...dice.some(peers, dice.below(2)).map(({ id, address }) => ({ Schema: 'peer', ID: id, Addrs: dice.chance(0.5) ? [address.split('/p2p/')[0]] : [], Protocols: ['transport-bitswap'] })),
        ...dice.some(gateways, dice.below(2)).map(({ port }) => ({ Schema: 'peer', ID: gatewayIds.get(port), Addrs: [`/ip4/127.0.0.1/tcp/${port}/http`], Protocols: ['transport-ipfs-gateway-http'] }))
      ]
  const routers = await Promise.all(Array.from({ length: 2 }, async (_, i) => httpSpy({ sightings, blocks: held, conduct: httpConduct(`router-${i}`), records: records(dice.of(`records of router-${i}`)) })))
  const [ofRedis, ofNames] = [dice.of('redis'), dice.of('names')]
  const redis = await respSpy({ sightings, conduct: () => made.rules.get('redis') as RespConduct ?? (ofRedis.chance(made.faults) ? ofRedis.pick(RESP_FAULTS) : 'good') })
  const dead = await closedPort()
  const directory = await mkdtemp(join(tmpdir(), 'portolan-spies-'))

  const made: World = {
    sightings,
    dice,
    blocks,
    files,
    keys: new Set(held.keys()),
    held,
    gateways,
    peers,
    servers,
    routers,
    redis,
    failing,
    rules: new Map([
      ...[...failing.gateways.keys()].map(how => [`failing-${how}`, how] as const),
      ...[...failing.peers.keys()].map(how => [`failing-peer-${how}`, how] as const)
    ]),
    dead: `http://127.0.0.1:${dead.port}`,
    names,
    ports: new Set([...gateways, ...routers, ...failing.gateways.values(), elsewhere].map(({ port }) => port).concat(Number(new URL(redis.url).port))),
    ids: new Set([...peers, ...servers, ...failing.peers.values()].map(({ id }) => id)),
    aliases: new Map([...gatewayIds].map(([port, id]) => [`p2p:${id}`, `http:127.0.0.1:${port}`])),
    directory,
    faults: 0,
    named: true,
    async resolve (name) {
      const question = sightings.channel('party:dns', 'dns')
      sightings.see(question, 'party:dns', 'dns', 'hostname')
      if (made.rules.has('names') || ofNames.chance(made.faults / 4)) {
        sightings.broke(question, 'spy')
        throw Object.assign(new Error(`nobody says where ${name} is`), { code: 'EAI_AGAIN' })
      }
      const address = names.get(name)
      if (address == null) {
        throw Object.assign(new Error(`${name} is not known here`), { code: 'ENOTFOUND' })
      }
      return [{ address, family: 4 }]
    },
    async resolveText () {
      sightings.see(sightings.channel('party:dns', 'dns'), 'party:dns', 'dns', 'hostname')
      return []
    },
    async close () {
      await Promise.all([...peers, ...servers, ...failing.peers.values()].map(async peer => { await peer.close() }))
      await Promise.all([...gateways, ...routers, ...failing.gateways.values(), elsewhere].map(async spy => { await spy.close() }))
      await redis.close()
      await dead.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
  return made
}
