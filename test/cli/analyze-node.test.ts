import { afterEach, describe, expect, it } from 'vitest'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { Scope, run } from './fixture.ts'
import type { ReportDocument } from '../../src/privacy/report/json-format.ts'

const scope = new Scope()
afterEach(async () => { await scope.close() })

describe('portolan analyze --node', () => {
  it('prints the report of the node that runs on the store, with what its reads told', async () => {
    const file = await sampleFile({ size: 100_000 })
    const provider = await loopbackProvider({ blocks: file.blocks })
    scope.add(() => provider.close())
    const node = await scope.serve(scope.directory(), ['--provider', provider.url])
    await run(['get', file.root.toString(), '-o', '/dev/null', '--store', node.store])

    const { code, stdout, stderr } = await run(['analyze', '--node', '--format', 'json', '--store', node.store])
    expect([code, stderr]).toEqual([0, ''])
    const report = JSON.parse(stdout) as ReportDocument
    expect(report).toMatchObject({ source: 'real', redacted: true })
    expect(report.measures.find(({ observerClass }) => observerClass === 'gateway')?.exposures).toBeGreaterThan(0)
    expect(stdout).not.toContain(new URL(provider.url).host)

    const console = await run(['analyze', '--node', '--store', node.store])
    expect([console.code, console.stdout]).toEqual([0, expect.stringMatching(/^Privacy report/)])
    for (const flag of ['--duration=5', '--connect-to=/ip4/127.0.0.1/tcp/1', '--anonymity-set-threshold=3']) {
      expect((await run(['analyze', '--node', flag, '--store', node.store])).code).toBe(2)
    }
  })

  it('says so where none runs', async () => {
    const store = scope.directory()
    const { code, stdout, stderr } = await run(['analyze', '--node', '--store', store])
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(`no node runs on the store ${store}`)])
  })
})
