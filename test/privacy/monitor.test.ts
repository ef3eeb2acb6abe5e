import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { RISE, decideAlert } from '../../src/privacy/monitor-alerts.ts'
import { PrivacyMonitor } from '../../src/privacy/monitor.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { PEERS, sample } from './report/sample.ts'
import type { Logger } from '../../src/interface/logger.ts'
import type { PrivacyReport } from '../../src/interface/privacy.ts'
import type { AlertState } from '../../src/privacy/monitor-alerts.ts'
import type { PrivacyMonitorInit } from '../../src/privacy/monitor-params.ts'
import type { PrivacyAlert } from '../../src/privacy/monitor.ts'

const MINUTES = 60_000

interface Setup {
  readonly monitor: PrivacyMonitor
  readonly clock: VirtualClock
  readonly alerts: PrivacyAlert[]
  readonly logged: string[]
  scores: number[]
  analyses: number
  analyze?: () => PrivacyReport | Promise<PrivacyReport>
}

function setup (init: PrivacyMonitorInit = {}): Setup {
  const clock = new VirtualClock()
  const logged: string[] = []
  const log = (...parts: unknown[]): void => { logged.push(parts.map(String).join(' ')) }
  const logger = { forComponent: () => Object.assign(log, { error: log, trace: log }) as unknown as Logger }
  const result = { clock, logged, alerts: [] as PrivacyAlert[], scores: [] as number[], analyses: 0 } as unknown as Setup & { monitor: PrivacyMonitor }
  const analyzer = {
    analyze: () => {
      result.analyses++
      const [score = 0] = result.scores.length > 1 ? result.scores.splice(0, 1) : result.scores
      return result.analyze?.() ?? privacyReport(sample({ overallRiskScore: score }))
    }
  }
  result.monitor = new PrivacyMonitor(analyzer, { clock, logger, ...init })
  result.monitor.addEventListener('alert', ({ detail }) => { result.alerts.push(detail) })
  return result
}

describe('PrivacyMonitor', () => {
  it('checks at the start and every five minutes, and nothing after stop', async () => {
    const it = setup()
    it.monitor.start()
    it.monitor.start()
    await it.clock.advance(0)
    expect([it.analyses, it.monitor.getStatistics().running]).toEqual([1, true])
    await it.clock.advance(15 * MINUTES)
    expect(it.analyses).toBe(4)
    await it.monitor.stop()
    await it.monitor.stop()
    expect([it.clock.pending, it.monitor.getStatistics().running]).toEqual([0, false])
    await it.clock.advance(60 * MINUTES)
    expect(it.analyses).toBe(4)
    it.monitor.start()
    await it.clock.advance(0)
    expect(it.analyses).toBe(5)
    await it.monitor.stop()
    expect(it.clock.pending).toBe(0)
  })

  it('is harmless to stop before it starts, and at once after', async () => {
    const it = setup()
    await it.monitor.stop()
    it.monitor.start()
    await it.monitor.stop()
    await it.clock.advance(MINUTES)
    expect([it.analyses, it.clock.pending]).toEqual([0, 0])
  })

  it('alerts above the threshold, with time, score and risks, redacted', async () => {
    const it = setup()
    it.scores = [0.7, 0.71]
    it.monitor.start()
    await it.clock.advance(0)
    expect(it.alerts).toEqual([])
    await it.clock.advance(5 * MINUTES)
    expect(it.alerts).toEqual([{ timestamp: it.clock.wall(), riskScore: 0.71, reason: 'crossed', risks: expect.any(Array) as unknown }])
    expect(it.alerts[0]?.risks.map(({ severity }) => severity)).toEqual(['critical', 'high', 'medium', 'low'])
    expect(JSON.stringify(it.alerts)).toContain('peer-1')
    expect(JSON.stringify([it.alerts, it.monitor.getStatistics(), it.logged])).not.toContain(PEERS[0])
    await it.monitor.stop()
  })

  it('names peers to whoever asked for raw alerts, and still in no log', async () => {
    const it = setup({ raw: true })
    it.scores = [0.9]
    await it.monitor.check()
    expect(JSON.stringify(it.alerts)).toContain(PEERS[0])
    expect(it.logged.join()).not.toContain(PEERS[0])
  })

  it('is no storm: once while it stays, again when it rises, once an hour, and when it comes back', async () => {
    const it = setup()
    const reasons = async (scores: number[]): Promise<string[]> => {
      it.alerts.length = 0
      for (const score of scores) {
        it.scores = [score]
        await it.monitor.check()
        await it.clock.advance(5 * MINUTES)
      }
      return it.alerts.map(({ reason }) => reason)
    }
    expect(await reasons(Array.from({ length: 12 }, () => 0.75))).toEqual(['crossed'])
    expect(await reasons([0.75, 0.76])).toEqual(['still-above'])
    expect(await reasons([0.84, 0.86, 0.9, 0.97])).toEqual(['risen', 'risen'])
    expect(await reasons([0.5, 0.75, 0.69, 0.75])).toEqual(['crossed', 'crossed'])
    expect(it.monitor.getStatistics().totalAlerts).toBe(6)
  })

  it('has statistics and a bounded history', async () => {
    const it = setup({ historyLimit: 3 })
    expect(it.monitor.getStatistics()).toEqual({ running: false, totalChecks: 0, failedChecks: 0, totalAlerts: 0, currentStats: undefined, lastAlert: undefined, lastCheck: undefined, webhook: undefined })
    for (const score of [0.1, 0.9, 0.3, 0.2]) {
      it.scores = [score]
      await it.monitor.check()
      await it.clock.advance(MINUTES)
    }
    const statistics = it.monitor.getStatistics()
    expect(statistics).toMatchObject({ totalChecks: 4, totalAlerts: 1, failedChecks: 0, lastAlert: { riskScore: 0.9 }, lastCheck: { riskScore: 0.2, risks: 4, highRisks: 1, criticalRisks: 1, insufficient: 2, alerted: false } })
    expect(statistics.currentStats).toMatchObject({ uniquePeers: 41, totalConnections: 58, riskScore: 0.2, highRisks: 1 })
    expect(it.monitor.history.map(({ riskScore }) => riskScore)).toEqual([0.9, 0.3, 0.2])
    expect(JSON.parse(JSON.stringify(statistics))).toMatchObject({ totalChecks: 4 })
  })

  it('makes one check at a time, and those who ask share it', async () => {
    const it = setup()
    let release = (): void => {}
    it.analyze = async () => {
      await new Promise<void>(resolve => { release = resolve })
      return privacyReport(sample({ overallRiskScore: 0.9 }))
    }
    it.monitor.start()
    await it.clock.advance(0)
    const asked = [it.monitor.check(), it.monitor.check()]
    expect(it.analyses).toBe(1)
    await it.clock.advance(MINUTES - 1)
    release()
    expect((await Promise.all(asked)).map(({ overallRiskScore }) => overallRiskScore)).toEqual([0.9, 0.9])
    expect([it.analyses, it.alerts.length]).toEqual([1, 1])
    await it.monitor.stop()
  })

  it('gives up a check that hangs, and at stop at once', async () => {
    const it = setup()
    const failures: string[] = []
    it.monitor.addEventListener('failure', ({ detail }) => { failures.push(detail.name) })
    it.analyze = async () => new Promise<never>(() => {})
    it.monitor.start()
    await it.clock.advance(MINUTES)
    expect([failures, it.monitor.getStatistics().failedChecks]).toEqual([['TimeoutError'], 1])
    await it.clock.advance(5 * MINUTES)
    expect(it.analyses).toBe(2)
    await it.monitor.stop()
    expect([failures.length, it.clock.pending]).toEqual([1, 0])
  })

  it('goes on after a check that failed, and logs no more of it than its name', async () => {
    const it = setup()
    it.analyze = () => { throw new RangeError(`peer ${PEERS[0]}`) }
    it.monitor.start()
    await it.clock.advance(10 * MINUTES)
    expect(it.monitor.getStatistics()).toMatchObject({ totalChecks: 3, failedChecks: 3, totalAlerts: 0 })
    expect([it.logged.length, it.logged.join().includes('RangeError'), it.logged.join().includes(PEERS[0] as string)]).toEqual([3, true, false])
    await expect(it.monitor.check()).rejects.toThrow(RangeError)
    await it.monitor.stop()
  })

  it.each([
    undefined, null, 5, {}, privacyReport(sample()).toJSON(), { toJSON: () => undefined }, { toJSON: () => ({}) },
    Object.assign(privacyReport(sample()), { toJSON: () => ({ ...sample(), overallRiskScore: 'high' }) }),
    Object.assign(privacyReport(sample()), { highRisks: () => { throw new RangeError('no') } }),
    Object.assign(privacyReport(sample()), { toJSON: () => ({ ...sample(), overallRiskScore: 0.9, risks: [null] }) })
  ])('what is no report is a check that failed, and is told: %#', async report => {
    const it = setup({ webhook: { url: 'http://127.0.0.1:9/' } })
    const failures: unknown[] = []
    const checks: unknown[] = []
    it.monitor.addEventListener('failure', ({ detail }) => { failures.push(detail) })
    it.monitor.addEventListener('check', ({ detail }) => { checks.push(detail) })
    it.analyze = async () => report as unknown as PrivacyReport
    it.monitor.start()
    await it.clock.advance(5 * MINUTES)
    expect([failures.length, failures.every(failure => failure instanceof Error), checks, it.alerts, it.monitor.history]).toEqual([2, true, [], [], []])
    expect(it.monitor.getStatistics()).toMatchObject({ totalChecks: 2, failedChecks: 2, totalAlerts: 0, currentStats: undefined, lastAlert: undefined, webhook: { sent: 0, failed: 0, dropped: 0, waiting: 0 } })
    await expect(it.monitor.check()).rejects.toThrow()

    // it is no alert that was told: the next one is
    it.analyze = undefined
    it.scores = [0.9]
    await it.monitor.stop()
    await it.monitor.check()
    expect(it.alerts.map(({ reason }) => reason)).toEqual(['crossed'])
  })

  it('tells an alert that could not be told when it can be', async () => {
    const it = setup()
    it.monitor.start()
    it.analyze = () => Object.assign(privacyReport(sample()), { toJSON: () => ({ ...sample(), overallRiskScore: 0.9, risks: [null] }) }) as unknown as PrivacyReport
    await it.clock.advance(0)
    it.analyze = undefined
    it.scores = [0.9]
    await it.clock.advance(5 * MINUTES)
    expect(it.alerts.map(({ reason }) => reason)).toEqual(['crossed'])
    expect(it.monitor.getStatistics()).toMatchObject({ totalChecks: 2, failedChecks: 1, totalAlerts: 1 })
    await it.monitor.stop()
  })

  it.each([null, undefined, 'text', Object.create(null)])('an analyzer may throw %s', async thrown => {
    const it = setup()
    const failures: Error[] = []
    it.monitor.addEventListener('failure', ({ detail }) => { failures.push(detail) })
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- foreign code throws anything
    it.analyze = () => { throw thrown }
    it.monitor.start()
    await it.clock.advance(5 * MINUTES)
    await it.monitor.stop()
    expect(failures.map(({ name, cause }) => [name, cause])).toEqual([['Error', thrown], ['Error', thrown]])
    expect(it.logged).toEqual(['a check failed: %s Error', 'a check failed: %s Error'])
  })

  it.each([-86_400_000, 86_400_000])('a wall clock that is set by %d ms between checks changes no interval, no repetition and no bound', async ms => {
    const it = setup({ historyLimit: 3 })
    it.scores = [0.9]
    it.monitor.start()
    await it.clock.advance(10 * MINUTES)
    const before = it.clock.wall()
    const { wall } = it.clock
    Object.assign(it.clock, { wall: () => wall.call(it.clock) + ms })
    await it.clock.advance(45 * MINUTES)
    expect([it.analyses, it.alerts.length]).toEqual([12, 1])
    await it.clock.advance(5 * MINUTES)
    expect([it.analyses, it.alerts.map(({ reason }) => reason)]).toEqual([13, ['crossed', 'still-above']])
    expect(it.monitor.history.map(({ timestamp }) => timestamp - before - ms)).toEqual([40, 45, 50].map(minutes => minutes * MINUTES))
    await it.monitor.stop()
  })

  it('a score of NaN is no alert, and a clock that is set back changes no interval', async () => {
    const it = setup()
    it.scores = [Number.NaN]
    await it.monitor.check()
    expect(it.alerts).toEqual([])
    const wall = it.clock.wall()
    Object.assign(it.clock, { wall: () => wall - 86_400_000 })
    it.scores = [0.9]
    it.monitor.start()
    await it.clock.advance(5 * MINUTES)
    expect([it.monitor.getStatistics().totalChecks, it.alerts.length]).toEqual([3, 1])
    await it.monitor.stop()
  })

  it.each([
    [{ riskThreshold: 1.01 }, 'riskThreshold'], [{ riskThreshold: -0.1 }, 'riskThreshold'], [{ riskThreshold: Number.NaN }, 'riskThreshold'], [{ riskThreshold: '0.5' as unknown as number }, 'riskThreshold'],
    [{ checkIntervalMs: 0 }, 'checkIntervalMs'], [{ checkIntervalMs: 1.5 }, 'checkIntervalMs'], [{ checkIntervalMs: 2 ** 31 }, 'checkIntervalMs'], [{ historyLimit: 0 }, 'historyLimit'], [{ historyLimit: 1e6 }, 'historyLimit'], [{ repeatMs: -1 }, 'repeatMs']
  ])('refuses %o', (init, name) => {
    expect(() => setup(init)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining(name) as unknown }))
  })

  it.each([undefined, null, {}, { analyze: 1 }])('refuses %o for an analyzer', analyzer => {
    expect(() => new PrivacyMonitor(analyzer as unknown as { analyze (): PrivacyReport })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})

describe('when there is an alert', () => {
  it('never twice within the interval without a rise or a return', () => {
    const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 })
    fc.assert(fc.property(scores, fc.integer({ min: 1, max: 10 }), fc.double({ min: 0, max: 1, noNaN: true }), (scores, repeatMs, riskThreshold) => {
      let state: AlertState
      let told: { score: number, at: number } | undefined

      scores.forEach((score, now) => {
        const decided = decideAlert(state, { score, now, riskThreshold, repeatMs })
        state = decided.state
        if (score <= riskThreshold) {
          expect(decided).toEqual({ state: undefined })
          told = undefined
        } else if (told == null) {
          expect(decided.reason).toBe('crossed')
        } else {
          expect(decided.reason != null).toBe(score >= told.score + RISE || now - told.at >= repeatMs)
        }
        told = decided.reason == null ? told : { score, at: now }
      })
    }))
  })
})
