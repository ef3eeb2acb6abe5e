import { describe, expect, it } from 'vitest'
import { AccessTokens, equalDigests } from '../../../src/privacy/report/access-tokens.ts'
import type { ReportToken } from '../../../src/privacy/report/access-tokens.ts'

const TOKENS = Array.from({ length: 8 }, (_, i): ReportToken => ({ role: i % 2 === 0 ? 'viewer' : 'admin', token: `token-number-${i}-0123456789` }))

/** Tokens that count how often, and with what, they are compared */
function counting (): { tokens: AccessTokens, compared: () => number } {
  let compared = 0
  const tokens = new AccessTokens(TOKENS, (a, b) => {
    compared++
    return equalDigests(a, b)
  })
  return {
    tokens,
    compared: () => {
      const count = compared
      compared = 0
      return count
    }
  }
}

/** A digest that counts the bytes that are looked at */
function watched (bytes: Uint8Array): { digest: Uint8Array, looked: Set<string> } {
  const looked = new Set<string>()
  const digest = new Proxy(bytes, {
    get: (target, key) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        looked.add(key)
      }
      return Reflect.get(target, key, target) as unknown
    }
  })
  return { digest, looked }
}

describe('access tokens', () => {
  it('are all compared, whichever it is: the first, the last, none, or one that is too long', () => {
    const { tokens, compared } = counting()
    TOKENS.forEach((token, index) => {
      expect(tokens.holder((token as { token: string }).token)).toEqual({ role: token.role, index })
      expect(compared()).toBe(TOKENS.length)
    })
    for (const wrong of [undefined, '', 'token-number-0-0123456780', 'x'.repeat(1_000_000)]) {
      expect(tokens.holder(wrong)).toBeUndefined()
      expect(compared()).toBe(TOKENS.length)
    }
  })

  it('are compared to their last byte, wherever the first difference is', () => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
    for (let place = 0; place < 32; place++) {
      const { digest, looked } = watched(secret)
      expect(equalDigests(digest, secret.map((byte, i) => i === place ? byte ^ 1 : byte))).toBe(false)
      expect(looked.size).toBe(32)
    }
    expect(equalDigests(secret, secret.slice())).toBe(true)
    expect(equalDigests(secret, secret.slice(1))).toBe(false)
    expect(equalDigests(secret.slice(1), secret)).toBe(false)
  })
})
