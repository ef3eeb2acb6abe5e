import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redisOptions } from '../../../src/cache/shared/redis-options.ts'
import { cert } from './certificate.ts'
import type { RedisTierInit } from '../../../src/cache/shared/redis-options.ts'

const SECRET = 'correct-horse'

function refusal (init: Partial<RedisTierInit>): Error {
  try {
    redisOptions({ url: 'redis://127.0.0.1', ...init })
  } catch (err) {
    return err as Error
  }
  throw new Error('it was accepted')
}

describe('options of a shared cache', () => {
  it('have defaults for all but the URL', async () => {
    const options = redisOptions({ url: 'redis://127.0.0.1' })
    expect(options).toMatchObject({
      name: 'redis://127.0.0.1:6379',
      keyPrefix: 'portolan:1:',
      maxBlockBytes: 65_536,
      ttl: 86_400_000,
      timeout: 50,
      connectTimeout: 1000,
      server: { host: '127.0.0.1', port: 6379, tls: false, database: 0, username: undefined }
    })
    expect(await options.server.password()).toBeUndefined()
  })

  it('take everything out of a URL, and leave who logs in out of the name', async () => {
    const { server, name } = redisOptions({ url: `rediss://me:p%40ss%3A${SECRET}@[::1]:6390/12`, ca: cert })
    expect(server).toMatchObject({ host: '::1', port: 6390, tls: true, database: 12, username: 'me', ca: cert })
    expect(await server.password()).toBe(`p@ss:${SECRET}`)
    expect(name).toBe('rediss://[::1]:6390')
  })

  it('ask for a password that is given by a function each time', async () => {
    let count = 0
    const { server } = redisOptions({ url: 'redis://cache.test', username: 'me', password: async () => `${SECRET}${++count}` })
    expect([await server.password(), await server.password()]).toEqual([`${SECRET}1`, `${SECRET}2`])
    await expect(redisOptions({ url: 'redis://cache.test', password: () => '' }).server.password()).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })

  it.each<[string, Partial<RedisTierInit>, RegExp]>([
    ['no URL', { url: undefined }, /must be like redis/],
    ['a URL of something else', { url: 'http://127.0.0.1' }, /must be like redis/],
    ['a URL without a host', { url: 'redis://' }, /must be like redis/],
    ['a port that is none', { url: 'redis://127.0.0.1:70000' }, /must be like redis/],
    ['port 0', { url: 'redis://127.0.0.1:0' }, /must be like redis/],
    ['a query', { url: 'redis://127.0.0.1?password=a' }, /nothing after it/],
    ['a path that is no database', { url: 'redis://127.0.0.1/blocks' }, /number of a database, got "blocks"/],
    ['a broken percent-encoding', { url: `redis://:%zz${SECRET}@127.0.0.1` }, /percent-encoded/],
    ['a user without a password', { username: 'me' }, /user name "me" and no password/],
    ['a user that is none', { username: 'a b', password: SECRET }, /without spaces/],
    ['an empty password', { password: '' }, /password of the shared cache must be a text/],
    ['an authority without TLS', { ca: cert }, /write rediss/],
    ['an authority that is none', { url: 'rediss://127.0.0.1', ca: [cert, '/etc/ca.pem'] }, /must be PEM/],
    ['a prefix with a space', { keyPrefix: 'a b' }, /keyPrefix/],
    ['an empty prefix', { keyPrefix: '' }, /keyPrefix/],
    ['blocks of no size', { maxBlockBytes: 0 }, /maxBlockBytes of the shared cache must be a whole number from 1 to 1048576, got 0/],
    ['huge blocks', { maxBlockBytes: 2_097_152 }, /maxBlockBytes/],
    ['a time that is none', { ttl: Number.NaN }, /ttl/],
    ['no patience', { timeout: 0 }, /timeout/],
    ['a text for a number', { connectTimeout: '1s' as never }, /connectTimeout/]
  ])('refuse %s', (_, init, message) => {
    expect(refusal(init)).toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(message) as string })
  })

  it('never show a password, whatever is wrong', () => {
    const url = fc.constantFrom(`redis:/x:${SECRET}@h`, `redis://:${SECRET}@h:99999`, `redis://u:${SECRET}@h/x`, `http://u:${SECRET}@h`, `redis://:${SECRET}%zz@h`, `rediss://:${SECRET}@h?a`)
    fc.assert(fc.property(url, fc.constantFrom('keyPrefix', 'ttl', 'timeout'), (url, name) => {
      const err = refusal({ url, password: SECRET, [name]: -1 as never })
      expect(`${err.name} ${err.message} ${String(err.cause)}`).not.toContain(SECRET)
    }))
  })
})
