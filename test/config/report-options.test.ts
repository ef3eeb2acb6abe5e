import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { checkMeaning } from '../../src/config/meaning.ts'
import { monitorInit, reportTokens } from '../../src/config/report-options.ts'
import type { LoadedConfig } from '../../src/config/load.ts'
import type { schema } from '../../src/config/schema.ts'

const TOKEN = 's3cret-token-0123456789'
const HASH = 'ab'.repeat(32)
let directory: string

beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'portolan-reports-')) })
afterEach(async () => { await rm(directory, { recursive: true }) })

function values (environment: Record<string, string>): LoadedConfig<typeof schema>['values'] {
  const config = loadConfig({ environment })
  checkMeaning(config)
  return config.values
}

describe('how reports are configured', () => {
  it('watches every five minutes, above 0.7, without a webhook and without tokens', async () => {
    expect(monitorInit(values({}))).toEqual({ checkIntervalMs: 300_000, riskThreshold: 0.7 })
    expect(await reportTokens(values({}))).toEqual([])
  })

  it('takes a webhook, whose private address must be allowed', () => {
    const PORTOLAN_PRIVACY_WEBHOOK = 'https://10.0.0.1/s3cret'
    expect(() => values({ PORTOLAN_PRIVACY_WEBHOOK })).toThrow(/privacy\.webhook \(from [^)]*PORTOLAN_PRIVACY_WEBHOOK\): .*10\.0\.0\.1:443 is refused/)
    expect(monitorInit(values({ PORTOLAN_PRIVACY_WEBHOOK, PORTOLAN_ALLOW: '10.0.0.0/8', PORTOLAN_PRIVACY_WEBHOOK_FORMAT: 'slack', PORTOLAN_PRIVACY_RISK_THRESHOLD: '0.5' })))
      .toEqual({ checkIntervalMs: 300_000, riskThreshold: 0.5, webhook: { url: PORTOLAN_PRIVACY_WEBHOOK, allow: ['10.0.0.0/8'], format: 'slack' } })
  })

  it('takes tokens from the environment, and from a file that others cannot read', async () => {
    const tokens = [{ role: 'viewer', token: TOKEN }, { role: 'admin', sha256: HASH }]
    expect(await reportTokens(values({ PORTOLAN_PRIVACY_TOKENS: `viewer:${TOKEN}, admin:sha256:${HASH}` }))).toEqual(tokens)

    const file = join(directory, 'tokens')
    await writeFile(file, `# of the dashboard\nviewer:${TOKEN}\n\nadmin:sha256:${HASH}\n`, { mode: 0o600 })
    expect(await reportTokens(values({ PORTOLAN_PRIVACY_TOKENS_FILE: file }))).toEqual(tokens)
  })

  it.each([
    [{ PORTOLAN_PRIVACY_WEBHOOK: 'http://gateway.example/s3cret' }, /must begin with https/],
    [{ PORTOLAN_PRIVACY_WEBHOOK: 's3cret' }, /must be a URL/],
    [{ PORTOLAN_PRIVACY_TOKENS: 's3cret-token-0123456789' }, /token 1 for reports must be viewer:TOKEN/],
    [{ PORTOLAN_PRIVACY_TOKENS: 'viewer:s3cret' }, /token 1 must have 16 to 512/],
    [{ PORTOLAN_PRIVACY_TOKENS: `viewer:${TOKEN},root:${TOKEN}` }, /token 2 for reports/],
    [{ PORTOLAN_PRIVACY_TOKENS: 'admin:sha256:s3cret' }, /sha256 of token 1/],
    [{ PORTOLAN_PRIVACY_TOKENS: `viewer:${TOKEN}`, PORTOLAN_PRIVACY_TOKENS_FILE: '/tmp/x' }, /leave privacy.tokens or privacy.tokensFile out/],
    [{ PORTOLAN_PRIVACY_RISK_THRESHOLD: '70' }, /privacy\.riskThreshold \(from .*\) must be a number from 0 to 1, not /],
    [{ PORTOLAN_PRIVACY_CHECK_INTERVAL: '0' }, /privacy.checkInterval/]
  ])('refuses %o, without telling a secret', (environment, message) => {
    try {
      values(environment)
      expect.unreachable()
    } catch (err) {
      expect((err as Error).name).toBe('InvalidOptionError')
      expect(String(err)).toMatch(message)
      expect(String(err)).not.toContain('s3cret')
    }
  })

  it.each(['1.01', '-0.1', '70%', 'NaN', '0.5.1', '1e-1'])('refuses a threshold of %j', text => {
    expect(() => values({ PORTOLAN_PRIVACY_RISK_THRESHOLD: text })).toThrow(/must be a number from 0 to 1/)
  })

  it('takes a threshold with a fraction, from a flag as from a file', () => {
    expect(monitorInit(loadConfig({ flags: { 'privacy-risk-threshold': '0.35' } }).values).riskThreshold).toBe(0.35)
    expect(monitorInit(values({ PORTOLAN_PRIVACY_RISK_THRESHOLD: '1' })).riskThreshold).toBe(1)
  })

  it.each([
    ['loose', 0o644, `viewer:${TOKEN}`, /can be read by others: chmod 600/],
    ['missing', undefined, '', /does not exist/],
    ['wrong', 0o600, `viewer:${TOKEN}\n${TOKEN}`, /token 2 for reports/]
  ])('refuses a file that is %s', async (name, mode, text, message) => {
    const file = join(directory, name)
    if (mode != null) {
      await writeFile(file, text, { mode })
    }
    await expect(reportTokens(values({ PORTOLAN_PRIVACY_TOKENS_FILE: file }))).rejects.toEqual(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringMatching(message) as unknown }))
    await expect(reportTokens(values({ PORTOLAN_PRIVACY_TOKENS_FILE: file }))).rejects.not.toThrow(/s3cret/)
  })
})
