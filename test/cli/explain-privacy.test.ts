import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { Scope, run } from './fixture.ts'
import type { ExposureReport } from '../../src/privacy/ledger/exposure-report.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Serving } from './fixture.ts'

const shared = new Scope()
const scope = new Scope()
let file: SampleFile
let provider: LoopbackProvider
let poor: LoopbackProvider

beforeAll(async () => {
  file = await sampleFile({ size: 700_000 })
  provider = await loopbackProvider({ blocks: file.blocks })
  poor = await loopbackProvider({ blocks: new Map() })
  shared.add(() => provider.close())
  shared.add(() => poor.close())
})
afterAll(async () => { await shared.close() })
afterEach(async () => { await scope.close() })

async function json (args: readonly string[]): Promise<ExposureReport> {
  const { code, stdout, stderr } = await run(['explain', '--privacy', '--json', ...args])
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as ExposureReport
}

function observer ({ url }: LoopbackProvider): string {
  return `http:${new URL(url).host}`
}

async function end ({ child, finished }: Serving): Promise<void> {
  child.kill('SIGTERM')
  await finished
}

describe('portolan explain --privacy', () => {
  it('does the read by itself, and says who learnt of it, over what and whether that was needed', async () => {
    const store = scope.directory()
    const leaf = file.others[0]?.toString() ?? ''
    const { code, stdout, stderr } = await run(['explain', '--privacy', leaf, '--provider', provider.url, '--store', store])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('1 party outside learnt of it')
    expect(stdout).toMatch(/WHEN \(UTC\) +PARTY +KIND +LEARNT +OVER +STATE +NEEDED/)
    expect(stdout).toMatch(new RegExp(`\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d +${observer(provider)} +gateway +cid +http +sent +yes: it delivered`))
    expect(stdout).toMatch(/total: \d disclosures? \(\d sent\), 1 party \(1 gateway\), 1 needed/)
    expect(stdout).not.toContain('\u001b')

    // the next command finds it in the store
    const again = await run(['explain', '--privacy', leaf, '--store', store])
    expect(again.stdout).toContain('it was here already: of this read nobody outside learnt')
    expect(again.stdout).toMatch(/before this start, since .* UTC: [1-9]\d* disclosures, known as numbers only/)
    expect(again.stdout).not.toContain(observer(provider))
  })

  it('tells who was asked in vain from who delivered', async () => {
    const { exposures, parties } = await json([file.root.toString(), '--provider', poor.url, '--provider', provider.url, '--store', scope.directory()])
    expect(exposures.find(({ observer: name }) => name === observer(provider))).toMatchObject({ need: 'delivered', state: 'sent', observerClass: 'gateway', mode: 'balanced', purpose: 'read' })
    expect(parties).toBe(new Set(exposures.map(({ observer }) => observer)).size)
    // whether the other one was asked first is chance: `test/privacy/ledger/exposure-report.test.ts` has both
    expect(exposures.filter(({ observer: name, form, need }) => name === observer(poor) && form === 'cid' && need !== 'lost')).toEqual([])
  })

  it('asks the node that runs, where a cache hit told nobody anything', async () => {
    const node = await scope.serve(scope.directory(), ['--provider', provider.url])
    const leaf = file.others[1]?.toString() ?? ''
    const first = await json([leaf, '--store', node.store])
    expect(first.exposures.filter(({ form }) => form === 'cid')).toMatchObject([{ observer: observer(provider), need: 'delivered', client: 'operator' }])
    expect(await json([leaf, '--store', node.store])).toEqual(first)

    const metrics = await (await fetch(`${node.control}/metrics`, { headers: { authorization: `Bearer ${node.token}` } })).text()
    expect(metrics).toMatch(/portolan_ledger_exposures_total\{observer_class="gateway"\} [1-9]/)
    await end(node)

    const next = await scope.serve(node.store, ['--provider', provider.url])
    const after = await json([leaf, '--store', node.store])
    expect(after.exposures).toEqual([])
    expect(after.earlier?.disclosures).toBeGreaterThan(0)
    await end(next)
  })

  it('knows after a restart, and after a kill, what was told before where names are kept', async () => {
    const node = await scope.serve(scope.directory(), ['--provider', provider.url, '--ledger-raw'])
    const leaf = file.others[0]?.toString() ?? ''
    const before = await json([leaf, '--store', node.store])
    await end(node)

    const next = await scope.serve(node.store, ['--provider', provider.url, '--ledger-raw'])
    const after = await json([leaf, '--store', node.store])
    expect(after.exposures).toMatchObject(before.exposures.map(({ at, observer, subject, state }) => ({ at, observer, subject, state })))
    expect(after.exposures.filter(({ form }) => form === 'cid')).toMatchObject([{ need: 'asked' }])
    next.child.kill('SIGKILL')
    await once(next.child, 'close')
    const last = await scope.serve(node.store, ['--provider', provider.url, '--ledger-raw'])
    expect((await json([leaf, '--store', node.store])).exposures).toEqual(after.exposures)
    await end(last)
  })

  it('says so where nobody writes it down', async () => {
    const node = await scope.serve(scope.directory(), ['--provider', provider.url, '--no-ledger'])
    const beside = await run(['explain', '--privacy', file.root.toString(), '--store', node.store])
    expect([beside.code, beside.stdout, beside.stderr]).toEqual([1, '', expect.stringContaining('without a ledger')])

    const alone = await run(['explain', '--privacy', file.root.toString(), '--provider', provider.url, '--store', scope.directory()], { PORTOLAN_LEDGER: 'false' })
    expect([alone.code, alone.stdout, alone.stderr]).toEqual([2, '', expect.stringContaining('ledger.enabled')])
    await end(node)
  })
})
