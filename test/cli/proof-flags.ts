import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rerandomised } from '../privacy/proofs/support/altered-proofs.ts'
import { UNPRIVILEGED } from '../support/unprivileged.ts'
import { Scope, start } from './fixture.ts'
import type { MembershipClaim } from '../../src/interface/privacy.ts'
import type { Membership } from '../../src/privacy/proofs/membership.ts'
import type { Finished } from './fixture.ts'

/** A machine that does ten things at once still gets there */
const PATIENCE = 120_000
const SECRET = 'CAESQ-the-private-key-of-somebody'

type Document = Record<string, unknown> & { proof: MembershipClaim }

/** What `portolan proof` does with each of its actions and flags, whichever way the command is run; reports are made from the sources */
export function describeProof (main?: () => string): void {
  const scope = new Scope()
  const proof = async (args: readonly string[], input?: string | Uint8Array, before?: readonly string[]): Promise<Finished> => {
    const started = start(['proof', ...args], {}, { main: main?.(), before })
    started.child.stdin.on('error', () => {})
    started.child.stdin.end(input ?? '')
    return await started.finished
  }
  /** Stores of six members, and their entries */
  let stores: string[]
  let entries: string[]
  let directory: string
  /** Of the first five */
  let group: string
  let nonce: string
  /** By the third of them */
  let report: string
  let document: Document

  const file = (name: string, content: unknown): string => {
    const path = join(directory, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
  const analyze = async (to: string, store: string, ...args: string[]): Promise<Finished> => await start(['analyze', '--simulate', '--zk', '--format', 'json', '--output', to, '--store', store, ...args]).finished
  const made = async (name: string, args: readonly string[]): Promise<string> => {
    const path = join(directory, name)
    const { code, stdout, stderr } = await proof([...args, '--output', path])
    expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining(`written to ${path}\n`)])
    return path
  }
  const claims = (): string => join(scope.directory(), 'claims')
  const verify = async (path: string, ...args: string[]): Promise<Finished> => await proof(['verify', path, ...args.includes('--group') ? [] : ['--group', group], ...args.some(flag => flag.endsWith('nonce')) ? [] : ['--nonce', nonce], ...args.includes('--claims') ? [] : ['--claims', claims()], ...args])
  const refused = async (value: unknown, reason: string, ...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await verify(file('refused.json', value), ...args)
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(new RegExp(`^portolan: the proof is refused \\(${reason}\\): [^\\n]{1,250}\\n$`))])
  }

  beforeAll(async () => {
    directory = scope.directory()
    stores = Array.from({ length: 6 }, (_, i) => join(directory, `store-${i}`))
    entries = []
    for (const [i, store] of stores.entries()) {
      entries.push(await made(`${i}.json`, ['join', 'fleet', '--store', store]))
    }
    group = await made('fleet.json', ['group', 'fleet', ...entries.slice(0, 5)])
    nonce = (await proof(['nonce'])).stdout.trim()
    report = join(directory, 'report.json')
    const { code, stderr } = await analyze(report, stores[2] ?? '', '--zk-group', group, '--zk-nonce', nonce)
    expect([code, stderr]).toEqual([0, expect.any(String)])
    document = read(report) as Document
  }, PATIENCE)
  afterAll(async () => { await scope.close() })

  describe('join', () => {
    it('prints an entry that is signed, and the same commitment for another group; the secret stays', async () => {
      const store = stores[0] ?? ''
      const first = read(entries[0] ?? '') as Membership
      const { code, stdout, stderr } = await proof(['join', 'other', '--days', '2', '--store', store])
      const other = JSON.parse(stdout) as Membership

      expect([code, stderr]).toEqual([0, expect.stringContaining('nothing in it is secret')])
      expect([other.peer, other.commitment]).toEqual([first.peer, first.commitment])
      expect(other.signature).not.toBe(first.signature)
      expect(Date.parse(other.validUntil) - Date.parse(other.validFrom)).toBe(2 * 86_400_000)
      expect(Date.parse(first.validUntil) - Date.parse(first.validFrom)).toBe(365 * 86_400_000)
      expect(stdout).not.toContain(readFileSync(join(store, 'membership.seed'), 'utf8').trim())
      expect(statSync(join(store, 'membership.seed')).mode & 0o777).toBe(0o600)
    }, PATIENCE)
  })

  describe('group', () => {
    it('has its members in the order of the files, and no more than what belongs into an entry', async () => {
      const talkative = file('talkative.json', { ...read(entries[4] ?? '') as object, note: SECRET })
      const { code, stdout } = await proof(['group', 'fleet', ...entries.slice(0, 4), talkative, '--days', '30', '--epoch', '1', '--window', '3', '--depth', '16'])
      const made = JSON.parse(stdout) as { members: Membership[], validFrom: string, validUntil: string }

      expect(code).toBe(0)
      expect(made).toMatchObject({ name: 'fleet', depth: 16, epochMs: 3_600_000, window: 3 })
      expect(made.members).toEqual(entries.slice(0, 5).map(read))
      expect(Date.parse(made.validUntil) - Date.parse(made.validFrom)).toBe(30 * 86_400_000)
    }, PATIENCE)

    it('as it was is a file of entries too: those who join come last, who left is left out, the rest stays as it was said', async () => {
      const first = await made('hourly.json', ['group', 'fleet', ...entries.slice(0, 5), '--epoch', '2', '--window', '1'])
      const { peer } = read(entries[1] ?? '') as Membership
      const { stdout, stderr } = await proof(['group', 'fleet', first, entries[5] ?? '', '--without', peer])

      expect(JSON.parse(stdout)).toMatchObject({ epochMs: 7_200_000, window: 1, members: [0, 2, 3, 4, 5].map(i => read(entries[i] ?? '')) })
      expect(stderr).toMatch(/^The group fleet: 5 members, depth 10, a claim in 2 h each, the last 1 to join may be missing; valid from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\. All who prove and verify need this file\.\n$/)
      // an entry that is handed in anew takes the place of the one before
      expect((JSON.parse((await proof(['group', 'fleet', first, entries[1] ?? '', '--without', peer])).stdout) as { members: Membership[] }).members.map(({ peer }) => peer).indexOf(peer)).toBe(4)
    }, PATIENCE)

    it('that nobody could use is not made, and the message says which file is wrong', async () => {
      const [a = '', b = '', c = '', d = '', e = '', f = ''] = entries
      const entry = read(a) as Membership
      const missing = join(directory, 'missing.json')
      const cases: ReadonlyArray<readonly [number, RegExp, readonly string[]]> = [
        [1, /there are 4 entries, and a group has 5 members at least/, [a, b, c, d]],
        [1, /"[^"]+0\.json" is of the peer "\w+", which is in "[^"]+0\.json" already and would count as two$/, [a, b, c, d, a]],
        [1, /member 1 in "[^"]+fleet\.json" already and would count as two; to put the new entry in its place, add --without \w+$/, [group, a]],
        [1, /is not signed by/, [b, c, d, e, file('forged.json', { ...entry, commitment: (read(f) as Membership).commitment })]],
        [1, /is not signed by/, [b, c, d, e, file('other.json', (await proof(['join', 'other', '--store', stores[0] ?? ''])).stdout)]],
        [1, /is the file of the group "fleet2", and not of "fleet"/, [file('fleet2.json', { ...read(group) as object, name: 'fleet2' })]],
        [1, /missing\.json" cannot be read: there is no such file$/, [a, b, c, d, missing]],
        [1, /cannot be read: it is (not a file|a directory)$/, [a, b, c, d, directory]],
        [1, /secret\.json" is neither an entry nor the file of a group: it is not JSON$/, [a, b, c, d, file('secret.json', SECRET)]],
        [1, /it has two values of one name$/, [a, b, c, d, file('twice.json', `{"peer":"x",${JSON.stringify(entry).slice(1)}`)]],
        [1, /large\.json" is neither an entry nor the file of a group: it has \d+ bytes/, [a, b, c, d, file('large.json', { note: 'x'.repeat(100_000) })]],
        [1, /huge\.json" cannot be read: it has \d+ bytes, and at most 4194304 are read$/, [a, b, c, d, file('huge.json', 'x'.repeat(10_000_000))]],
        [1, /has no peer id$/, [a, b, c, d, file('pollution.json', '{"__proto__":{"peer":"x","format":"portolan-membership-group"}}')]],
        [1, /which is before 3660 days are over/, [a, b, c, d, e, '--days', '3660']],
        [2, /--without "12D3" is no member/, [group, '--without', '12D3']],
        [2, /--depth must be 10 or 16, got 20/, [group, '--depth', '20']],
        [2, /--window must be a whole number from 0 to 64/, [group, '--window', '65']],
        [2, /--epoch must be a number of hours/, [group, '--epoch', '0.01']],
        [2, /--days must be a whole number from 1 to 3660/, [group, '--days', '1.5']]
      ]
      for (const [expected, message, args] of cases) {
        const { code, stdout, stderr } = await proof(['group', 'fleet', ...args])
        expect([args, code, stdout]).toEqual([args, expected, ''])
        expect(stderr.split('\n')[0]).toMatch(message)
        expect(stderr.split('\n')[0]?.length).toBeLessThan(600)
        expect(stderr).not.toContain(SECRET.slice(0, 8))
      }
    }, PATIENCE)

    it('is written whole or not at all', async () => {
      const kept = file('kept.json', 'as it was')
      expect(await proof(['group', 'fleet', ...entries.slice(0, 3), '--output', kept])).toMatchObject({ code: 1, stdout: '' })
      expect(readFileSync(kept, 'utf8')).toBe('as it was')
      expect(await proof(['group', 'fleet', group, '--output', join(directory, 'none', 'x.json')])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('its directory does not exist') as string })
    }, PATIENCE)
  })

  describe('nonce', () => {
    it('is another one each time, and fit for a proof', async () => {
      const nonces = [nonce, (await proof(['nonce'])).stdout.trim()]
      expect(new Set(nonces).size).toBe(2)
      nonces.forEach(text => { expect(text).toMatch(/^[a-z2-7]{52}$/) })
    }, PATIENCE)
  })

  describe('verify', () => {
    it('says what is proven and what is not; a second time it is a replay, in another process too', async () => {
      const store = join(directory, 'reader')
      const args = ['verify', report, '--group', group, '--nonce', nonce, '--store', store]
      const { code, stdout, stderr } = await proof(args)

      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/^verified: one of the 5 members of the group fleet stands behind this report/)
      expect(stdout).toMatch(/^proven {6}\S/m)
      expect(stdout).toMatch(/^not proven {2}that what the report says is true/m)
      expect(stdout.split('\n').filter(line => line.length > 100)).toEqual([])
      expect(await proof(args)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^portolan: the proof is refused \(replayed\): this member has made a claim in epoch \d+; each makes one\n$/) as string })
      expect(statSync(join(store, 'claims')).mode & 0o777).toBe(0o700)
      // nothing of the member is in it
      const kept = readdirSync(join(store, 'claims'), { recursive: true }).join()
      expect(kept).not.toContain((read(entries[2] ?? '') as Membership).peer)
    }, PATIENCE)

    it('says which format is to be verified, where the report came in another', async () => {
      const asHtml = file('report.html', '<!doctype html><title>Privacy</title>')
      expect(await verify(asHtml, '--claims', claims())).toEqual({ code: 1, stdout: '', stderr: 'portolan: the proof is refused (malformed): this is no report: it is not JSON; only a report that was made as JSON can be verified: portolan analyze --format json\n' })
      // what is JSON has the format, and something else is wrong with it
      expect((await verify(file('list.json', '[]'), '--claims', claims())).stderr).toBe('portolan: the proof is refused (malformed): this is no report: it is not an object\n')
    }, PATIENCE)

    it('of five at the same time lets one have the claim', async () => {
      const shared = claims()
      const outcomes = await Promise.all(Array.from({ length: 5 }, async () => await verify(report, '--claims', shared)))
      expect(outcomes.map(({ code }) => code).toSorted()).toEqual([0, 1, 1, 1, 1])
      expect(outcomes.filter(({ code, stderr }) => code === 1 && !stderr.includes('(replayed)'))).toEqual([])
    }, PATIENCE)

    it('--json for programs, also of what is refused', async () => {
      const shared = claims()
      const { code, stdout, stderr } = await verify(report, '--json', '--claims', shared)
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(stdout)).toEqual(document.proof)
      const again = await verify(report, '--json', '--claims', shared)
      expect([again.code, again.stderr, JSON.parse(again.stdout)]).toEqual([1, '', { result: 'refused', reason: 'replayed', message: expect.any(String) as string }])
    }, PATIENCE)

    it('takes a report from standard input, and its own nonce where any will do', async () => {
      const { code, stdout, stderr } = await proof(['verify', '-', '--group', group, '--any-nonce', '--claims', claims()], readFileSync(report))
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^verified/)])
      expect(stderr).toContain('may have been made for somebody else')
      expect(await proof(['verify', '-', '--group', group, '--nonce', nonce, '--claims', claims()], new Uint8Array(10_000_000))).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^portolan: the report on standard input cannot be read: it has more than 8388608 bytes/) as string })
    }, PATIENCE)

    it('refuses what is no proof of a member for this report and nonce, and says in which way', async () => {
      const { proof: claim } = document
      const inner = (fields: object): object => ({ ...document, proof: { ...claim, proof: { ...claim.proof, ...fields } } })

      await refused(SECRET, 'malformed')
      await refused({ ...document, proof: undefined }, 'malformed')
      await refused({ ...document, proof: { ...claim, proof: '1'.repeat(5000) } }, 'too-large')
      await refused(JSON.stringify(document).replace('{', '{"overallRiskScore":0,'), 'malformed')
      await refused(JSON.stringify(inner({})).replace('"points"', '"__proto__":{"polluted":true},"points"'), 'malformed')
      await refused({ ...document, overallRiskScore: 0 }, 'message')
      await refused(document, 'message', '--nonce', (await proof(['nonce'])).stdout.trim())
      await refused(inner({ nullifier: '1' }), 'forged')
      await refused(inner({ points: claim.proof.points.map(() => '1') }), 'point')
      await refused(inner({ epoch: claim.epoch + 7 }), 'epoch')
      await refused(inner({ scope: '1' }), 'scope')
      await refused(inner({ merkleTreeDepth: 16 }), 'depth')
      await refused({ ...document, proof: { ...claim, nonce: 'x' } }, 'malformed', '--any-nonce')
      await refused(document, 'depth', '--group', await made('deep.json', ['group', 'fleet', ...entries.slice(0, 5), '--depth', '16']))
    }, PATIENCE)

    it('refuses an old root beyond the window, and takes it within; and nobody who is no member', async () => {
      const grown = await made('grown.json', ['group', 'fleet', group, entries[5] ?? ''])
      const windowed = await made('windowed.json', ['group', 'fleet', group, entries[5] ?? '', '--window', '1'])
      await refused(document, 'root', '--group', grown)
      expect((await verify(report, '--group', windowed)).stdout).toMatch(/^verified: one of the 5 members/)

      const other = await made('others.json', ['group', 'fleet', ...entries.slice(1, 6)])
      const to = join(directory, 'stranger-report.json')
      expect(await analyze(to, stores[5] ?? '', '--zk-group', other, '--zk-nonce', nonce)).toMatchObject({ code: 0 })
      await refused(read(to), 'root')
    }, PATIENCE)

    it('knows a proof again that was made into another one', async () => {
      const { proof: claim } = document
      const points = rerandomised(claim.proof.points.map(BigInt), 987_654_321n).map(String)
      const shared = claims()
      expect((await verify(report, '--claims', shared)).code).toBe(0)
      await refused({ ...document, proof: { ...claim, proof: { ...claim.proof, points } } }, 'replayed', '--claims', shared)
    }, PATIENCE)

    it('says in a line what cannot be read, and accepts nothing', async () => {
      const large = file('10mb.json', 'x'.repeat(10_000_000))
      const broken = file('group-broken.json', `{"format":"${SECRET}`)
      const small = file('group-small.json', { ...read(group) as object, members: (read(group) as { members: unknown[] }).members.slice(0, 4) })
      const twice = file('group-twice.json', { ...read(group) as object, members: [...(read(group) as { members: unknown[] }).members.slice(0, 4), (read(group) as { members: unknown[] }).members[0]] })
      const cases: ReadonlyArray<readonly [number, RegExp, string, readonly string[]]> = [
        [1, /the report "[^"]+none" cannot be read: there is no such file$/, join(directory, 'none'), []],
        [1, /cannot be read: it is (not a file|a directory)$/, directory, []],
        [1, /10mb\.json" cannot be read: it has 10000000 bytes, and at most 8388608 are read$/, large, []],
        [1, /the file of the group "[^"]+none" cannot be read: there is no such file$/, report, ['--group', join(directory, 'none')]],
        [1, /10mb\.json" cannot be read: it has 10000000 bytes, and at most 4194304 are read$/, report, ['--group', large]],
        [1, /"[^"]+group-broken\.json": this is no file of a group: it is not JSON$/, report, ['--group', broken]],
        [1, /4 members: below 5/, report, ['--group', small]],
        [1, /is there twice/, report, ['--group', twice]],
        [2, /--group FILE says among whom/, report, []],
        [2, /--nonce TEXT says which nonce you gave out/, report, []],
        [2, /only one of them/, report, ['--nonce', nonce, '--any-nonce']],
        [2, /a nonce is 16 to 128/, report, ['--nonce', 'short']]
      ]
      for (const [expected, message, path, args] of cases) {
        const { code, stdout, stderr } = await (String(message).includes('among whom')
          ? proof(['verify', path, '--nonce', nonce])
          : String(message).includes('you gave out') ? proof(['verify', path, '--group', group]) : verify(path, ...args))
        expect([String(message), code, stdout]).toEqual([String(message), expected, ''])
        expect(stderr.split('\n')[0]).toMatch(message)
        expect(stderr).not.toContain(SECRET.slice(0, 8))
      }
    }, PATIENCE)

    it('accepts nothing where the claim cannot be kept, or what was kept is damaged', async () => {
      const occupied = scope.directory()
      writeFileSync(join(occupied, 'letter'), 'mine')
      const plain = join(scope.directory(), 'file')
      writeFileSync(plain, '')
      const damaged = claims()
      expect((await verify(report, '--claims', damaged)).code).toBe(0)
      const [of = ''] = readdirSync(damaged).filter(name => name.length === 64)
      // a claim under a name that is none may have been anybody's
      mkdirSync(join(damaged, of.replace(/^./, 'x')))
      const unmarked = claims()
      expect((await verify(report, '--claims', unmarked)).code).toBe(0)
      rmSync(join(unmarked, 'portolan-claims-1'))

      for (const [path, message] of [
        [occupied, /there is something in the directory "[^"]+", and it is no record of claims/],
        [plain, /cannot be used: what should be a directory is a file$/],
        [join(directory, 'none', 'claims'), /cannot be used: the directory that it should be in does not exist$/],
        [damaged, /is damaged: "x[\da-f]{63}" does not belong there/],
        [unmarked, /there is something in the directory/]
      ] as const) {
        const { code, stdout, stderr } = await verify(report, '--claims', path)
        expect([path, code, stdout]).toEqual([path, 1, ''])
        expect(stderr.trimEnd()).toMatch(message)
        expect(stderr.trimEnd()).not.toContain('\n')
      }
      expect(readdirSync(occupied)).toEqual(['letter'])
    }, PATIENCE)

    it.skipIf(UNPRIVILEGED == null)('accepts nothing where it may not write', async () => {
      const closed = scope.directory()
      chmodSync(closed, 0o500)
      expect(await proof(['verify', report, '--group', group, '--nonce', nonce, '--claims', join(closed, 'claims')], '', UNPRIVILEGED)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/permission denied/) as string })
    }, PATIENCE)
  })

  it('what is called wrongly is said, before anything is made', async () => {
    const store = join(directory, 'untouched')
    for (const [message, args] of [
      [/portolan proof needs join\|group\|nonce\|verify/, []],
      [/portolan proof knows no "verfy"; did you mean portolan proof verify\?/, ['verfy']],
      [/portolan proof join takes NAME, got nothing/, ['join']],
      [/portolan proof join takes NAME, got 2 arguments/, ['join', 'a', 'b']],
      [/portolan proof group takes NAME FILE\.\.\., got 1 argument/, ['group', 'fleet']],
      [/portolan proof nonce takes nothing more/, ['nonce', 'x']],
      [/the name of a group is 1 to 64/, ['join', 'no group']],
      [/--json is for portolan proof verify/, ['join', 'fleet', '--json']],
      [/--days is for portolan proof join and group/, ['verify', report, '--days', '1']],
      [/--days must be/, ['join', 'fleet', '--days', '0']],
      [/--windw is not an option/, ['group', 'fleet', group, '--windw', '1']]
    ] as const) {
      const { code, stdout, stderr } = await proof([...args, '--store', store])
      expect([args, code, stdout]).toEqual([args, 2, ''])
      expect(stderr).toMatch(message)
    }
    expect(readdirSync(directory)).not.toContain('untouched')
  }, PATIENCE)

  it('--help names each action and flag', async () => {
    const { code, stdout } = await proof(['--help'])
    expect(code).toBe(0)
    for (const word of ['join NAME', 'group NAME FILE...', 'nonce ', 'verify FILE', '--output ', '--days ', '--epoch ', '--window ', '--depth ', '--without ', '--group ', '--nonce ', '--any-nonce ', '--claims ', '--json ', '--store ']) {
      expect(stdout).toContain(word)
    }
  }, PATIENCE)
}
