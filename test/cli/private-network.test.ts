import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { ask } from '../gateway/fixture.ts'
import { Scope, run } from './fixture.ts'
import type { Serving } from './fixture.ts'

const scope = new Scope()
const PROTOCOL = '/portolan-test/cli/kad/1.0.0'
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']

afterAll(async () => { await scope.close() })

const addressOf = (node: Serving): string => /swarm +(\S+)/.exec(node.stderr())?.[1] ?? ''

async function stats (node: Serving): Promise<{ discovery?: { peers: number, lookups: { lookups: number } } }> {
  return JSON.parse((await ask(node.control, '/api/stats', { headers: { authorization: `Bearer ${node.token}` } })).text) as Awaited<ReturnType<typeof stats>>
}

it('a private network is made with flags and a file, and a block that one announced is read through the gateway of another', async () => {
  const file = await sampleFile({ size: 1_000 })
  const provider = await loopbackProvider({ blocks: file.blocks })
  scope.add(() => provider.close())

  const first = await scope.serve(scope.directory(), [...LISTEN, '--dht-server', '--dht-protocol', PROTOCOL])
  expect(first.stderr()).toMatch(new RegExp(`dht +server of ${PROTOCOL}\n`))
  const join1 = ['--bootstrap', addressOf(first), '--allow', '127.0.0.0/8']

  const holder = await scope.serve(scope.directory(), [...LISTEN, ...join1, '--dht-protocol', PROTOCOL, '--serve', 'everyone', '--provider', provider.url])
  expect(holder.stderr()).toMatch(new RegExp(`dht +client of ${PROTOCOL}\n`))
  expect((await ask(holder.gateway, `/ipfs/${file.root}`)).body).toEqual(file.bytes)
  await provider.close()
  expect(await run(['announce', String(file.root), '--store', holder.store])).toMatchObject({ code: 0, stdout: '1 of 1 announced\n' })

  const store = scope.directory()
  writeFileSync(join(store, 'config.json'), JSON.stringify({ libp2p: { dhtProtocol: PROTOCOL } }))
  const reader = await scope.serve(store, join1)
  expect((await ask(reader.gateway, `/ipfs/${file.root}`)).body).toEqual(file.bytes)
  expect(await stats(reader)).toMatchObject({ discovery: { peers: 1, lookups: { lookups: 1 } } })

  // and without a node that stays: the same flags, for one read
  const once = await run(['explain', String(file.root), '--store', scope.directory(), ...join1, '--dht-protocol', PROTOCOL])
  expect([once.code, once.stdout]).toEqual([0, expect.stringMatching(/discovery +dht named 1 provider/)])

  // a node of no DHT has nothing to tell of one
  expect((await stats(await scope.serve(scope.directory()))).discovery).toBeUndefined()
}, 120_000)
