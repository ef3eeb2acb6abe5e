import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockVerifier } from '../../src/block/verify.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { loadConfig } from '../../src/config/load.ts'
import { checkMeaning } from '../../src/config/meaning.ts'
import { sharedCache } from '../../src/config/shared-cache.ts'
import { nullLedger } from '../../src/privacy/null-ledger.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { joinRequests } from '../../src/unrouted-requests.ts'
import { cert } from '../cache/shared/certificate.ts'
import { respServer } from '../cache/shared/resp-server.ts'
import { until } from '../cache/shared/tier.ts'
import type { SharedTierComponents } from '../../src/cache/shared/shared-tier.ts'
import type { RespServer } from '../cache/shared/resp-server.ts'

/** As a node makes them for what is about no block */
const joining = joinRequests({ clock: systemClock, ledger: nullLedger }, 'balanced')

const components: SharedTierComponents = {
  clock: systemClock,
  random: seededRandom(1),
  verifier: blockVerifier(),
  logger: silentLogger,
  request: joining
}

let directory: string
let server: RespServer

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'portolan-shared-cache-'))
  server = await respServer()
})

afterEach(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

describe('a configured shared cache', () => {
  it('is none by default', () => {
    expect(sharedCache(loadConfig())).toBeUndefined()
  })

  it('logs in with what the environment says', async () => {
    const config = loadConfig({ environment: { PORTOLAN_SHARED_CACHE: `${server.url}/2`, PORTOLAN_SHARED_CACHE_USERNAME: 'me', PORTOLAN_SHARED_CACHE_PASSWORD: 'correct horse' } })
    checkMeaning(config)
    const tier = await sharedCache(config)?.(components)
    expect(tier?.health()).toEqual({ state: 'ok' })
    await tier?.close()
    expect(server.commands.slice(0, 2)).toEqual([['AUTH', 'me', 'correct horse'], ['SELECT', '2']])
  })

  it('reads its password from a file, anew for each connection', async () => {
    const file = join(directory, 'password')
    const config = loadConfig({ flags: { 'shared-cache': server.url }, environment: { PORTOLAN_SHARED_CACHE_PASSWORD_FILE: file } })
    checkMeaning(config)
    const tier = await sharedCache(config)?.(components)
    expect(tier?.health().reason).toContain(`the file ${file} with the password of the shared cache does not exist`)

    await writeFile(file, 'first\n', { mode: 0o600 })
    await until(() => tier?.health().state === 'ok')
    await writeFile(file, 'second\r\n')
    server.dropAll()
    await until(() => server.commands.filter(([command]) => command === 'AUTH').length === 2)
    await tier?.close()
    expect(server.commands.filter(([command]) => command === 'AUTH')).toEqual([['AUTH', 'first'], ['AUTH', 'second']])
  })

  it('reads its authorities from a file, and says when it cannot', async () => {
    const file = join(directory, 'ca.pem')
    const config = loadConfig({ environment: { PORTOLAN_SHARED_CACHE: server.url.replace('redis:', 'rediss:'), PORTOLAN_SHARED_CACHE_CA_FILE: file } })
    checkMeaning(config)
    await expect(sharedCache(config)?.(components)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining(file) as string })
    await writeFile(file, cert)
    const tier = await sharedCache(config)?.(components)
    expect(tier?.health().state).toBe('degraded')
    await tier?.close()
  })

  it.each<[string, Record<string, string>, Record<string, string>, RegExp]>([
    ['a URL of something else', { 'shared-cache': 'http://:correct-horse@127.0.0.1' }, {}, /^sharedCache.url \(from --shared-cache\): the URL of the shared cache must be like/],
    ['a password in a flag', { 'shared-cache': 'redis://:correct-horse@127.0.0.1' }, {}, /everybody on this machine can read/],
    ['a password and a file', { 'shared-cache': 'redis://127.0.0.1' }, { PASSWORD: 'correct-horse', PASSWORD_FILE: 'a' }, /leave sharedCache.password or sharedCache.passwordFile out/],
    ['a password for nothing', {}, { PASSWORD: 'correct-horse' }, /there is no shared cache, and sharedCache.password is set/],
    ['an authority without TLS', { 'shared-cache': 'redis://127.0.0.1' }, { CA_FILE: 'a' }, /write rediss/],
    ['a prefix that is none', { 'shared-cache': 'redis://127.0.0.1' }, { KEY_PREFIX: 'a b' }, /keyPrefix/]
  ])('is refused with %s, and nothing is shown', (_, flags, environment, message) => {
    const config = loadConfig({ flags, environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [`PORTOLAN_SHARED_CACHE_${name}`, value])) })
    let refusal: Error | undefined
    try {
      checkMeaning(config)
    } catch (err) {
      refusal = err as Error
    }
    expect(refusal).toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(message) as string })
    expect(refusal?.message).not.toContain('correct-horse')
  })
})
