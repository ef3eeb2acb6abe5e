import { BlockList, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressPolicy, isPrivateHost } from '../../src/provider/address.ts'
import type { AddressPolicy } from '../../src/provider/address.ts'

/** IANA's special-purpose registries, written down a second time and looked up by Node */
const V4: ReadonlyArray<readonly [string, number]> = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24],
  ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4], ['168.63.129.16', 32]
]

/** What is refused of 2000::/3; all outside of it is */
const V6: ReadonlyArray<readonly [string, number]> = [['2001::', 23], ['2001:db8::', 32], ['3fff::', 20]]

const special = new BlockList()
const unicast = new BlockList()

for (const [base, prefix] of V4) {
  special.addSubnet(base, prefix, 'ipv4')
}

for (const [base, prefix] of V6) {
  special.addSubnet(base, prefix, 'ipv6')
}

unicast.addSubnet('2000::', 3, 'ipv6')

/** Any address, and often one beside the edge of a range */
const ipv4Number = fc.oneof(
  fc.nat({ max: 0xffffffff }),
  fc.record({ range: fc.constantFrom(...V4), end: fc.boolean(), by: fc.integer({ min: -2, max: 2 }) }).map(({ range: [base, prefix], end, by }) => {
    const start = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    return ((start + (end ? 2 ** (32 - prefix) : 0) + by) % 2 ** 32 + 2 ** 32) % 2 ** 32
  })
)

const dotted = (n: number): string => [24, 16, 8, 0].map((shift) => (n / 2 ** shift) & 0xff).join('.')

/** IPv6 groups with the edges of ranges among them; no prefix that carries IPv4 inside, those have tests of their own */
const ipv6 = fc.tuple(
  fc.oneof(fc.nat({ max: 0xffff }), fc.constantFrom(0x1fff, 0x2000, 0x2001, 0x3ffe, 0x3fff, 0x4000, 0xfbff, 0xfc00, 0xfdff, 0xfe80, 0xfec0, 0xff02)),
  fc.oneof(fc.nat({ max: 0xffff }), fc.constantFrom(0, 0x1ff, 0x200, 0xdb7, 0xdb8, 0xdb9, 0xfff, 0x1000)),
  fc.array(fc.nat({ max: 0xffff }), { minLength: 6, maxLength: 6 })
).filter(([first]) => first !== 0x2002 && first !== 0x64 && first !== 0).map(([first, second, rest]) => [first, second, ...rest].map((group) => group.toString(16)).join(':'))

describe('isPrivateHost', () => {
  it('agrees with Node about every IPv4 address', () => {
    fc.assert(fc.property(ipv4Number, (n) => {
      expect(isPrivateHost(dotted(n))).toBe(special.check(dotted(n), 'ipv4'))
    }), { numRuns: 5_000 })
  })

  it('agrees with Node about every IPv6 address', () => {
    fc.assert(fc.property(ipv6, (address) => {
      expect(isIPv6(address)).toBe(true)
      expect(isPrivateHost(address)).toBe(!unicast.check(address, 'ipv6') || special.check(address, 'ipv6'))
      expect(isPrivateHost(`[${address}]`)).toBe(isPrivateHost(address))
    }), { numRuns: 5_000 })
  })

  it('sees the IPv4 address in every spelling', () => {
    fc.assert(fc.property(ipv4Number, (n) => {
      const [a = 0, b = 0, c = 0, d = 0] = [24, 16, 8, 0].map((shift) => (n / 2 ** shift) & 0xff)
      const spellings = [
        String(n), `0x${n.toString(16)}`, `0X${n.toString(16).toUpperCase()}`, `0${n.toString(8)}`,
        `${a}.${(n % 2 ** 24)}`, `${a}.${b}.${n % 2 ** 16}`, `0x${a.toString(16)}.0${b.toString(8)}.${c}.${d}`, `${dotted(n)}.`
      ]

      for (const spelling of spellings) {
        expect([spelling, isPrivateHost(spelling)]).toEqual([spelling, special.check(dotted(n), 'ipv4')])
      }
    }))
  })

  it('sees the IPv4 address inside an IPv6 one', () => {
    fc.assert(fc.property(ipv4Number, (n) => {
      const hex = n.toString(16).padStart(8, '0')
      const [high, low] = [hex.slice(0, 4), hex.slice(4)]
      const expected = special.check(dotted(n), 'ipv4')

      for (const address of [`::ffff:${dotted(n)}`, `::ffff:${high}:${low}`, `[0:0:0:0:0:ffff:${high}:${low}]`, `64:ff9b::${dotted(n)}`, `64:ff9b::${high}:${low}`, `2002:${high}:${low}::1`]) {
        expect([address, isPrivateHost(address)]).toEqual([address, expected])
      }

      // IPv4-compatible addresses are long deprecated: whatever they carry
      expect(isPrivateHost(`::${dotted(n)}`)).toBe(true)
    }))
  })

  it.each([
    'fe80::1%eth0', '[fe80::1%25eth0]', '::1%lo', '::', '[::]', '::1', '[::1]', '0:0:0:0:0:0:0:1', 'fd00:ec2::254', '169.254.169.254', '169.254.170.2', '100.100.100.200',
    '64:ff9b:1::1', 'fec0::1', '100::1', '5f00::1', '2001::1', '255.255.255.255', '１２７.０.０.１', '①②⑦.0.0.1', '127。0。0。1'
  ])('%s is private', (host) => {
    expect(isPrivateHost(host)).toBe(true)
  })

  it.each([
    'localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'a.b.localhost.', 'printer', 'nas.local', 'metadata.google.internal', 'router.home.arpa', 'gw.lan', 'db.corp', 'ｌｏｃａｌｈｏｓｔ'
  ])('the name %s is private', (host) => {
    expect(isPrivateHost(host)).toBe(true)
  })

  it.each([
    '8.8.8.8', '8.8.8.8.', '134744072', '[2606:4700:4700::1111]', '2a00:1450:4001:80b::200e', 'example.com', 'Example.COM.', 'local.example.com', 'localhost.example.com',
    'bücher.example', 'xn--bcher-kva.example', 'a_b.example', 'dead.beef.example', 'mylocal.example'
  ])('%s is public', (host) => {
    expect(isPrivateHost(host)).toBe(false)
  })

  it.each([
    '', '.', '..', 'a..b', '.example.com', 'example.com..', 'a b', ' example.com', 'example.com\n', 'evil@127.0.0.1', 'example.com/', 'example.com:80', 'http://example.com', 'exa%6dple.com',
    '127.0.0.%31', '[::1', '::1]', '[1.2.3.4]', '1.2.3.4.5', '256.1.1.1', '1.2.3.999', ':::', '1::2::3', '12345::', `${'a'.repeat(64)}.com`, `${'a.'.repeat(130)}com`, '-a.com', 'ex*mple.com', 'x'.repeat(10_000), '\u0000'
  ])('%j is no host, so nobody may go there', (host) => {
    expect(isPrivateHost(host)).toBe(true)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.anything(), fc.stringMatching(/^[0-9a-fx:.[\]%]{0,30}$/)), (host) => {
      expect(typeof isPrivateHost(host as string)).toBe('boolean')
    }), { numRuns: 2_000 })
  })

  it('never calls public what a URL with this host would reach in private', () => {
    const number = (max: number): fc.Arbitrary<string> => fc.tuple(fc.oneof(fc.nat({ max }), fc.constantFrom(0, 10, 127)), fc.constantFrom(10, 16, 8)).map(([n, radix]) => `${{ 10: '', 16: '0x', 8: '0' }[radix] ?? ''}${n.toString(radix)}`)
    const host = fc.integer({ min: 0, max: 3 }).chain((before) => fc.tuple(fc.array(number(255), { minLength: before, maxLength: before }), number(256 ** (4 - before) - 1))).map(([head, last]) => [...head, last].join('.'))

    fc.assert(fc.property(host, (text) => {
      const reached = URL.parse(`http://${text}`)?.hostname

      fc.pre(reached != null && /^(\d+\.){3}\d+$/.test(reached))
      expect([text, isPrivateHost(text)]).toEqual([text, special.check(reached ?? '', 'ipv4')])
    }), { numRuns: 500 })
  })
})

function refusal (fn: () => void): string {
  try {
    fn()
  } catch (err) {
    expect((err as Error).name).toBe('AddressRefusedError')
    return (err as Error).message
  }

  return 'allowed'
}

function decisions (policy: AddressPolicy, ...endpoints: Array<[string, number]>): boolean[] {
  return endpoints.map(([host, port]) => {
    const allowed = refusal(() => { policy.check(host, port) }) === 'allowed'

    expect(policy.allows(host, port)).toBe(allowed)
    return allowed
  })
}

describe('addressPolicy', () => {
  it('lets public hosts through, on the ports of the web and unreserved ones', () => {
    const policy = addressPolicy()

    expect(decisions(policy, ['example.com', 443], ['example.com', 80], ['8.8.8.8', 8080], ['[2606:4700::1111]', 1024])).toEqual([true, true, true, true])
    expect(decisions(policy, ['example.com', 22], ['example.com', 25], ['8.8.8.8', 1023], ['8.8.8.8', 81])).toEqual([false, false, false, false])
  })

  it('says why it refuses, and how to allow it', () => {
    const policy = addressPolicy()

    expect(refusal(() => { policy.check('127.0.0.1', 9000) })).toMatch(/loopback.*"127\.0\.0\.1:9000"/)
    expect(refusal(() => { policy.check('::1', 9000) })).toMatch(/loopback.*"\[::1\]:9000"/)
    expect(refusal(() => { policy.check('169.254.169.254', 80) })).toMatch(/cloud metadata/)
    expect(refusal(() => { policy.check('::ffff:a00:1', 80) })).toMatch(/10\.0\.0\.1:80 is refused: it is a private address/)
    expect(refusal(() => { policy.check('64:ff9b::a00:1', 80) })).toMatch(/a private address inside an IPv6 one/)
    expect(refusal(() => { policy.check('printer', 80) })).toMatch(/without a domain/)
    expect(refusal(() => { policy.check('example.com', 25) })).toMatch(/port 25.*"example\.com:25"/)
    expect(refusal(() => { policy.check('a b\u001b', 80) })).toMatch(/^"a b\\u\{1b\}" is refused: it is neither/)
  })

  it('what it advises works', () => {
    fc.assert(fc.property(fc.oneof(ipv4Number.map(dotted), ipv6, fc.constantFrom('localhost', 'a.local', 'example.com')), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      const message = refusal(() => { addressPolicy().check(host, port) })

      fc.pre(message !== 'allowed')
      const advice = /name "([^"]+)" among/.exec(message)?.[1] ?? ''
      expect(refusal(() => { addressPolicy({ allow: [advice] }).check(host, port) })).toBe('allowed')
    }))
  })

  it.each([0, -1, 65_536, 1.5, NaN, '80'])('refuses port %s', (port) => {
    expect(refusal(() => { addressPolicy({ allow: ['127.0.0.1'] }).check('127.0.0.1', port as number) })).toMatch(/is not a port/)
  })

  it('an entry with a port allows exactly that', () => {
    const policy = addressPolicy({ allow: ['127.0.0.1:9000'] })

    expect(decisions(policy, ['127.0.0.1', 9000], ['127.0.0.1', 9001], ['127.0.0.2', 9000], ['localhost', 9000], ['::1', 9000])).toEqual([true, false, false, false, false])
    expect(decisions(policy, ['0x7f000001', 9000], ['::ffff:127.0.0.1', 9000], ['2130706433', 9000])).toEqual([true, true, true])
  })

  it('an entry without a port allows the host on every port but the reserved', () => {
    const policy = addressPolicy({ allow: ['nas.local', '::1'] })

    expect(decisions(policy, ['nas.local', 80], ['NAS.local.', 8080], ['[::1]', 65_535], ['other.local', 80])).toEqual([true, true, true, false])
    expect(decisions(policy, ['nas.local', 22], ['::1', 1])).toEqual([false, false])
  })

  it('a range allows its addresses on every port but the reserved', () => {
    const policy = addressPolicy({ allow: ['127.0.0.0/8', 'fd00:1::/32'] })

    expect(decisions(policy, ['127.0.0.1', 1], ['127.255.255.255', 40_000], ['127.0.0.1', 80], ['128.0.0.1', 80], ['126.0.0.1', 80])).toEqual([false, true, true, true, true])
    expect(decisions(policy, ['fd00:1::5', 4000], ['fd00:2::5', 4000], ['10.0.0.1', 80])).toEqual([true, false, false])
  })

  it('agrees with Node about every range', () => {
    fc.assert(fc.property(fc.constantFrom(ipv4Number.map(dotted), ipv6).chain((family) => fc.tuple(family, family)), fc.nat({ max: 128 }), ([base, other], bits) => {
      const family = (address: string): 'ipv4' | 'ipv6' => isIPv6(address) ? 'ipv6' : 'ipv4'
      const prefix = Math.min(bits, family(base) === 'ipv6' ? 128 : 32)
      const node = new BlockList()
      node.addSubnet(base, prefix, family(base))

      let policy: AddressPolicy

      try {
        policy = addressPolicy({ allow: [`${base}/${prefix}`] })
      } catch (err) {
        // bits behind the prefix: the message has the range that was meant
        policy = addressPolicy({ allow: [/write (\S+) for the range/.exec((err as Error).message)?.[1] ?? ''] })
      }

      for (const address of [base, other]) {
        const expected = node.check(address, family(address)) || !isPrivateHost(address)
        expect([address, ...decisions(policy, [address, 5000])]).toEqual([address, expected])
      }
    }), { numRuns: 1_000 })
  })

  it('an IPv6 range allows no IPv4 address, unless it is written for those', () => {
    expect(decisions(addressPolicy({ allow: ['::/0'] }), ['10.0.0.1', 80], ['::ffff:10.0.0.1', 80], ['fd00::1', 80])).toEqual([false, false, true])
    expect(decisions(addressPolicy({ allow: ['::ffff:10.0.0.0/104'] }), ['10.0.0.1', 80], ['11.0.0.1', 80], ['127.0.0.1', 80])).toEqual([true, true, false])
  })

  it('an entry with a reserved port allows it, of public hosts too', () => {
    const policy = addressPolicy({ allow: ['example.com:81', 'https://gw.lan'] })

    expect(decisions(policy, ['example.com', 81], ['example.com', 82], ['gw.lan', 443], ['gw.lan', 80])).toEqual([true, false, true, false])
  })

  it('understands origins, with and without a port', () => {
    const policy = addressPolicy({ allow: ['http://127.0.0.1:8080', 'https://[::1]/', 'HTTP://Gateway.LAN'] })

    expect(decisions(policy, ['127.0.0.1', 8080], ['127.0.0.1', 80], ['::1', 443], ['::1', 8443], ['gateway.lan', 80], ['gateway.lan', 443])).toEqual([true, false, true, false, true, false])
  })

  it.each([
    ['', /must be a host/], [5, /must be a host/], [null, /must be a host/], ['*.example.com', /wildcards/], ['a b', /neither a host name nor an IP/], ['10.0.0.1/8', /10\.0\.0\.0\/8 for the range, or 10\.0\.0\.1/],
    ['10.0.0.0/33', /CIDR/], ['10.0.0.0/', /CIDR/], ['/8', /CIDR/], ['10/8', /CIDR/], ['::/129', /CIDR/], ['fd00::1/8', /fd00::\/8 for the range/], ['10.0.0.0/8:80', /CIDR/], ['example.com/x', /CIDR/],
    ['x:0', /port/], ['x:65536', /port/], ['x:', /port/], ['x:8o', /port/], ['x:-1', /port/], ['x:080', /port/], ['[::1', /neither/], ['[::1]:', /port/], ['[::1]x', /neither/], ['[1.2.3.4]:80', /neither/],
    ['ftp://example.com', /http:\/\//], ['http://', /http:\/\//], ['http://u:p@example.com', /origin/], ['http://example.com/path', /origin/], ['http://example.com/?q', /origin/], ['256.0.0.1', /neither/]
  ])('refuses the entry %j by name', (entry, message) => {
    try {
      addressPolicy({ allow: ['example.com', entry as string] })
      expect.unreachable()
    } catch (err) {
      expect((err as Error).name).toBe('InvalidOptionError')
      expect((err as Error).message).toMatch(message)
    }
  })

  it('does not print passwords', () => {
    expect(() => addressPolicy({ allow: ['http://user:secret@example.com'] })).toThrow(/^(?!.*secret)/)
  })

  it('answers every entry with a policy or an InvalidOptionError', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.stringMatching(/^[0-9a-f:./[\]]{0,24}$/), fc.anything()), (entry) => {
      try {
        addressPolicy({ allow: [entry as string] })
      } catch (err) {
        expect((err as Error).name).toBe('InvalidOptionError')
      }
    }), { numRuns: 2_000 })
  })

  it('takes a list of bounded length only', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `h${i}.example`)

    expect(() => addressPolicy({ allow: [...many, 'one.more'] })).toThrow(/at most 1000/)
    expect(() => addressPolicy({ allow: many }).with(['one.more'])).toThrow(/at most 1000/)
    expect(() => addressPolicy({ allow: 'localhost' as never })).toThrow(/allow must be a list/)
  })

  it('with() allows more and leaves the first as it was', () => {
    const first = addressPolicy({ allow: ['10.0.0.1'] })
    const second = first.with(['10.0.0.2:80'])

    expect(decisions(second, ['10.0.0.1', 80], ['10.0.0.2', 80])).toEqual([true, true])
    expect(decisions(first, ['10.0.0.1', 80], ['10.0.0.2', 80])).toEqual([true, false])
    expect(() => first.with(['*'])).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})

describe('checkResolved', () => {
  const resolved = (policy: AddressPolicy, ip: string, port: number, name: string): string => refusal(() => { policy.checkResolved(ip, port, name) })

  it('refuses a public name that resolves into a private network', () => {
    expect(resolved(addressPolicy(), '10.0.0.1', 443, 'rebind.example.com')).toMatch(/"rebind\.example\.com" \(resolved to 10\.0\.0\.1:443\) is refused: it is a private address/)
    expect(resolved(addressPolicy(), '::1', 443, 'rebind.example.com')).toMatch(/loopback/)
    expect(resolved(addressPolicy(), '::ffff:127.0.0.1', 443, 'rebind.example.com')).toMatch(/loopback/)
    expect(resolved(addressPolicy(), '93.184.215.14', 443, 'example.com')).toBe('allowed')
  })

  it('an allowed name may resolve to a private address, on the port it is allowed on', () => {
    const policy = addressPolicy({ allow: ['gw.lan:8080', 'localhost:9000'] })

    expect(resolved(policy, '192.168.1.2', 8080, 'gw.lan')).toBe('allowed')
    expect(resolved(policy, '127.0.0.1', 9000, 'localhost')).toBe('allowed')
    expect(resolved(policy, '192.168.1.2', 80, 'gw.lan')).toMatch(/private/)
    expect(resolved(policy, '192.168.1.2', 8080, 'other.lan')).toMatch(/private/)
  })

  it('an allowed address may be resolved to by any name', () => {
    expect(resolved(addressPolicy({ allow: ['10.0.0.0/8'] }), '10.1.2.3', 8080, 'split.example.com')).toBe('allowed')
  })

  it.each(['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'])('no name opens %s, only naming it does', (ip) => {
    expect(resolved(addressPolicy({ allow: ['gateway.example.com:8080', '10.0.0.1'] }), ip, 8080, 'gateway.example.com')).toMatch(/refused/)
    expect(resolved(addressPolicy({ allow: [ip] }), ip, 8080, 'gateway.example.com')).toBe('allowed')
  })

  it('refuses what is no address', () => {
    expect(resolved(addressPolicy(), 'example.com', 80, 'example.com')).toMatch(/not an IP address/)
    expect(resolved(addressPolicy(), undefined as never, 80, 'example.com')).toMatch(/not an IP address/)
  })
})

describe('exempt', () => {
  it('are loopback, and what is private and allowed', () => {
    const policy = addressPolicy({ allow: ['10.0.0.0/8', 'nas.local:8080', '8.8.8.8', 'example.com'] })

    expect(['127.0.0.1', '::1', 'localhost', 'a.localhost', '10.9.9.9', 'nas.local'].map((host) => policy.exempt(host))).toEqual([true, true, true, true, true, true])
  })

  it('are not public hosts, allowed or not, nor private ones that nobody named, nor what is no host', () => {
    const policy = addressPolicy({ allow: ['10.0.0.0/8', '8.8.8.8', 'example.com'] })

    expect(['8.8.8.8', 'example.com', '192.168.0.1', 'nas.local', 'a b'].map((host) => policy.exempt(host))).toEqual([false, false, false, false, false])
  })
})
