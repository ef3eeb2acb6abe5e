import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { listeningAddress } from '../../src/privacy/collector/listening-address.ts'
import { privacyReportSchema } from '../../src/privacy/report/report-schema.ts'
import { schemaFaults } from '../privacy/report/json-schema.ts'
import { Scope, start } from './fixture.ts'
import type { ReportDocument } from '../../src/privacy/report/json-format.ts'
import type { Finished, Started } from './fixture.ts'
import type { Libp2p } from '@libp2p/interface'
import type { AddressInfo } from 'node:net'

/** A machine that does ten things at once still gets there */
const PATIENCE = 90_000
/** Nobody listens on it: it needs a user that tests are not run by */
const NOBODY = '/ip4/127.0.0.1/tcp/1'
const HOSTILE = '<script>alert(1)</script>\u001b[2J\u202e'

/** What `portolan analyze` does with each of its flags, whichever way the command is run */
export function describeAnalyze (main?: () => string): void {
  const scope = new Scope()
  const launch = (args: readonly string[]): Started => start(['analyze', ...args], {}, { main: main?.() })
  const analyze = async (...args: string[]): Promise<Finished> => await launch(args).finished
  const json = async (...args: string[]): Promise<ReportDocument> => {
    const { code, stdout, stderr } = await analyze('--format', 'json', ...args)
    expect([code, stderr]).toEqual([0, expect.anything()])
    return JSON.parse(stdout) as ReportDocument
  }
  const peer = async (agent = 'somebody/1.0.0'): Promise<Libp2p> => {
    const libp2p = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, nodeInfo: { userAgent: agent }, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()], services: { identify: identify() }
    })
    scope.add(async () => { await libp2p.stop() })
    return libp2p
  }
  const addressOf = (libp2p: Libp2p): string => listeningAddress(libp2p).toString()

  afterEach(async () => { await scope.close() })

  describe('what it watches', () => {
    it('nobody: says that there is too little data, and never that anything is safe', async () => {
      const { code, stdout, stderr } = await analyze('--duration', '0.2')
      expect(code).toBe(0)
      expect(stdout).toContain('not judged: too little was seen')
      expect(stdout).toContain('0 peers · 0 connections')
      expect(stdout).not.toMatch(/\bsafe\b/i)
      expect(stderr).toMatch(/^listening on \/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+\nwatching for 0\.2 s, Ctrl-C ends it sooner\nnobody connected: there is too little data to say anything\n$/)
    }, PATIENCE)

    it('--connect-to: each peer that is named, exactly', async () => {
      const peers = await Promise.all([peer(), peer(), peer()])
      const report = await json('--duration', '1', ...peers.flatMap(libp2p => ['--connect-to', addressOf(libp2p)]))

      expect(schemaFaults(privacyReportSchema, report)).toEqual([])
      expect(report).toMatchObject({
        source: 'real', streams: 'exact', redacted: true, measures: [], statistics: { uniquePeers: 3, totalConnections: 3, openConnections: 3, outboundConnections: 3, inboundConnections: 0, transports: { tcp: 3 } }
      })
      expect(report.statistics.protocols['/ipfs/id/1.0.0']).toBeGreaterThanOrEqual(3)
      // each dial told a peer that this node is there, and nothing else left
      expect(report.timeline?.bins.reduce((sum, { exposures }) => sum + exposures, 0)).toBe(3)
      expect(report.risks.find(({ kind }) => kind === 'small-anonymity-set')?.evidence).toMatchObject({ peers: 3, connections: 3 })
    }, PATIENCE)

    it('--connect-to: without a peer id, too', async () => {
      const report = await json('--duration', '0.5', '--connect-to', addressOf(await peer()).replace(/\/p2p\/.*/, ''))
      expect(report.statistics.uniquePeers).toBe(1)
    }, PATIENCE)

    it('--connect-to: goes on without those that are not there, and says so', async () => {
      const { code, stdout, stderr } = await analyze('--duration', '0.5', '--format', 'json', '--connect-to', NOBODY, '--connect-to', addressOf(await peer()))
      expect([code, (JSON.parse(stdout) as ReportDocument).statistics.uniquePeers]).toEqual([0, 1])
      expect(stderr).toContain(`could not connect to ${NOBODY}: nobody listens there\n`)
      expect(stderr).toContain('connected to 1 of 2; watching')
    }, PATIENCE)

    it('--connect-to: fails where none is there, at once', async () => {
      const { code, stdout, stderr } = await analyze('--duration', '3600', '--connect-to', NOBODY)
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`could not connect to ${NOBODY}: nobody listens there\nportolan: the peer named by --connect-to could not be reached, so that there is nothing to analyse\n`)
    }, PATIENCE)

    it('--connect-to: another peer than was named is none', async () => {
      const [one, other] = await Promise.all([peer(), peer()])
      const { code, stderr } = await analyze('--connect-to', addressOf(one).replace(/\/p2p\/.*/, `/p2p/${other.peerId.toString()}`))
      expect(code).toBe(1)
      expect(stderr).toContain('somebody else answers there: another peer id')
      expect(stderr.replace(/listening on \S+/, '')).not.toContain('12D3KooW')
    }, PATIENCE)

    it('--connect-to: gives up after 10 s on somebody who says nothing', async () => {
      const silent = createServer(() => {}).listen(0, '127.0.0.1')
      scope.add(() => { silent.close() })
      await once(silent, 'listening')
      const { code, stderr } = await analyze('--connect-to', `/ip4/127.0.0.1/tcp/${(silent.address() as AddressInfo).port}`)
      expect(code).toBe(1)
      expect(stderr).toContain('no answer within 10 s')
    }, PATIENCE)

    it.each([
      ['non"sense', 'got "non\\"sense": it is no multiaddr: String multiaddr must start with "/"'], ['/ip4/127.0.0.1/udp/4001/quic-v1', 'QUIC'], ['/ip4/127.0.0.1', 'no TCP port'],
      ['/ip4/127.0.0.1/tcp/1/p2p/12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS/p2p-circuit/p2p/12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS', 'through a relay']
    ])('--connect-to %s is refused before anything is tried', async (address, why) => {
      const { code, stdout, stderr } = await analyze('--connect-to', address)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(/^portolan: --connect-to must be an address like/)
      expect(stderr).toContain(why)
    }, PATIENCE)

    it('--listen-addr: whoever dials in', async () => {
      const started = launch(['--duration', '60', '--format', 'json', '--listen-addr', '/ip4/127.0.0.1/tcp/0', '--listen-addr', '/ip4/127.0.0.1/tcp/0/ws'])
      const visitor = await peer()
      await started.until(/watching for/)
      expect(started.stderr()).toMatch(/listening on \/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\//)
      const address = multiaddr(/listening on (\S+\/tcp\/\d+\/p2p\/\S+)/.exec(started.stderr())?.[1])
      await visitor.dial(address)
      await visitor.hangUp(address)
      started.child.kill('SIGINT')
      const { code, stdout } = await started.finished
      expect(code).toBe(0)
      expect((JSON.parse(stdout) as ReportDocument).statistics).toMatchObject({ uniquePeers: 1, inboundConnections: 1, outboundConnections: 0 })
    }, PATIENCE)

    it('--listen-addr: a crowd that comes at once is counted whole, and who comes again is one peer', async () => {
      const started = launch(['--duration', '60', '--format', 'json'])
      const crowd = await Promise.all(Array.from({ length: 20 }, () => peer()))
      await started.until(/watching for/)
      const address = multiaddr(/listening on (\S+)/.exec(started.stderr())?.[1])
      await Promise.all(crowd.map(async libp2p => libp2p.dial(address)))
      await crowd[0]?.hangUp(address)
      await crowd[0]?.dial(address)
      started.child.kill('SIGTERM')
      const { code, stdout } = await started.finished
      expect(code).toBe(0)
      expect((JSON.parse(stdout) as ReportDocument).statistics).toMatchObject({ uniquePeers: 20, totalConnections: 21, inboundConnections: 21 })
    }, PATIENCE)

    it('--listen-addr: a port that is taken, and what is no address', async () => {
      const taken = createServer().listen(0, '127.0.0.1')
      scope.add(() => { taken.close() })
      await once(taken, 'listening')
      const { port } = taken.address() as AddressInfo
      const { code, stdout, stderr } = await analyze('--listen-addr', `/ip4/127.0.0.1/tcp/${port}`)
      expect([code, stdout, stderr]).toEqual([1, '', `portolan: libp2p: port ${port} on 127.0.0.1 is taken by another program; choose another with --listen-addr MULTIADDR (port 0 takes a free one)\n`])

      const wrong = await analyze('--listen-addr', '/ip4/127.0.0.1/udp/0/quic-v1')
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--listen-addr must be an address like /ip4/127.0.0.1/tcp/4480')])
    }, PATIENCE)

    it('--duration: Ctrl-C ends it, and the report is made all the same', async () => {
      const started = launch(['--duration', '3600', '--connect-to', addressOf(await peer())])
      await started.until(/watching for 3600 s/)
      started.child.kill('SIGINT')
      const { code, stdout } = await started.finished
      expect(code).toBe(0)
      expect(stdout).toContain('1 peer · 1 connection (1 open, 0 in, 1 out)')
    }, PATIENCE)

    it.each(['0', '-1', 'soon', '1e9', '', 'NaN'])('--duration=%s is refused', async text => {
      const { code, stdout, stderr } = await analyze(`--duration=${text}`)
      expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('--duration must be a number of seconds')])
    }, PATIENCE)
  })

  describe('what it writes', () => {
    it.each([
      ['console', /SIMULATED traffic/], ['json', /"source": "simulated"/], ['html', /Simulated traffic: this says nothing about a real node/], ['slack', /simulated/i]
    ])('--simulate: --format %s says so', async (format, label) => {
      const { code, stdout, stderr } = await analyze('--simulate', '--format', format)
      expect([code, stderr]).toEqual([0, 'simulated traffic: this says nothing about a real node\n'])
      expect(stdout).toMatch(label)
      expect(stdout).toMatch(/timing-correlation|Timing correlation/)
    }, PATIENCE)

    it('--simulate goes with nobody to connect to, nor with a node', async () => {
      for (const other of [['--connect-to', NOBODY], ['--listen-addr', NOBODY], ['--node']]) {
        const { code, stdout } = await analyze('--simulate', ...other)
        expect([code, stdout]).toEqual([2, ''])
      }
    }, PATIENCE)

    it('--format: one that there is not', async () => {
      const { code, stdout, stderr } = await analyze('--format', `pdf${HOSTILE}`)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('--format may be console, json, html, slack')
      expect(stderr).not.toContain('\u001b')
    }, PATIENCE)

    it('--output: a file for this user alone, whole, over what was there', async () => {
      const directory = scope.directory()
      const path = join(directory, 'report.txt')
      writeFileSync(path, 'before', { mode: 0o644 })
      const { code, stdout, stderr } = await analyze('--simulate', '--output', path)
      expect([code, stdout]).toEqual([0, ''])
      expect(stderr).toContain(`written to ${path}\n`)
      expect(readFileSync(path, 'utf8')).toMatch(/^Privacy report\n/)
      expect(readFileSync(path, 'utf8')).not.toContain('\u001b')
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(readdirSync(directory)).toEqual(['report.txt'])
    }, PATIENCE)

    it('--output: what cannot be written is said before anything is watched', async () => {
      const directory = scope.directory()
      mkdirSync(join(directory, 'reports'))
      writeFileSync(join(directory, 'file'), '')
      for (const [path, why] of [['reports', 'is a directory'], ['missing/report', 'its directory does not exist'], ['file/report', 'what should be its directory is a file'], ['x'.repeat(300), 'the name is too long']] as const) {
        const { code, stdout, stderr } = await analyze('--duration', '3600', '--output', join(directory, path))
        expect([code, stdout]).toEqual([1, ''])
        expect(stderr).toContain(why)
        expect(stderr).not.toContain('listening')
      }
      expect(readdirSync(directory).sort()).toEqual(['file', 'reports'])
    }, PATIENCE)

    it.skipIf(!existsSync('/dev/full'))('--output: a full disk, and a file without a name', async () => {
      const full = await analyze('--simulate', '--output', '/dev/full')
      expect([full.code, full.stdout, full.stderr]).toEqual([1, '', expect.stringContaining('portolan: the report cannot be written to "/dev/full": the disk is full\n')])
      const unnamed = await analyze('--duration', '3600', '--output', '')
      expect([unnamed.code, unnamed.stdout, unnamed.stderr]).toEqual([1, '', 'portolan: the report cannot be written to a file without a name\n'])
    }, PATIENCE)

    it.skipIf(!existsSync('/dev/full'))('on standard output, where the disk is full, too', async () => {
      const full = openSync('/dev/full', 'w')
      scope.add(() => { closeSync(full) })
      const { code, stderr } = await start(['analyze', '--simulate'], {}, { main: main?.(), output: full }).finished
      expect([code, stderr]).toEqual([1, 'simulated traffic: this says nothing about a real node\nportolan: the output cannot be written: the disk is full\n'])
    }, PATIENCE)

    it('--raw names peers, and without it nothing does, whatever they call themselves', async () => {
      const peers = await Promise.all([peer(HOSTILE), peer(`${HOSTILE}${'x'.repeat(1000)}`), peer(HOSTILE)])
      await peers[0].handle(`/${HOSTILE}/1.0.0`, () => {})
      const connect = peers.flatMap(libp2p => ['--connect-to', addressOf(libp2p)])

      for (const format of ['console', 'json', 'html', 'slack']) {
        const { code, stdout, stderr } = await analyze('--duration', '1', '--format', format, '--verbose', ...connect)
        expect(code).toBe(0)
        for (const libp2p of peers) {
          expect(stdout).not.toContain(libp2p.peerId.toString())
          expect(stderr).not.toContain(libp2p.peerId.toString())
        }
        expect(['\u001b', '\u202e', '<script>alert'].filter(text => (stdout + stderr).includes(text))).toEqual([])
      }
      const { stdout } = await analyze('--duration', '1', '--raw', '--verbose', ...connect)
      expect(stdout).toContain(peers[0].peerId.toString())
      expect(['\u001b', '\u202e'].filter(text => stdout.includes(text))).toEqual([])
    }, PATIENCE)

    it('--raw shows in no format what a terminal, a browser or Slack would obey, whatever a peer tells', async () => {
      const hostile = '<script>alert(1)</script><img src=x onerror=alert(2)>"\'&<!channel><@U1>*b*\u001b]0;t\u0007\u001b[2J\u202e\u2028\r\n'
      const peers = await Promise.all(Array.from({ length: 6 }, (_, i) => peer(`${hostile}${'x'.repeat(600 * i)}`)))
      await Promise.all(peers.map(async (libp2p, i) => libp2p.handle(`/${hostile}${'y'.repeat(400 * i)}/1.0.0`, () => {})))
      const connect = peers.flatMap(libp2p => ['--connect-to', addressOf(libp2p)])

      for (const format of ['console', 'json', 'html', 'slack']) {
        const { code, stdout, stderr } = await analyze('--duration', '2', '--raw', '--verbose', '--format', format, ...connect)
        expect([format, code]).toEqual([format, 0])
        expect([...stdout, ...stderr].filter(character => character !== '\n' && /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character))).toEqual([])
        expect(stdout).toContain(peers[0]?.peerId.toString())
        if (format === 'html') {
          expect(stdout).not.toMatch(/<(?!\/)(?!!doctype|html|head|meta|title|style|body|header|h1|h2|h3|p|main|div|figure|figcaption|svg|g|path|rect|line|text|circle|polyline|article|span|b|dl|dt|dd|code|table|thead|tbody|tr|th|td|footer|br)[^>]*>/)
          expect(stdout).not.toMatch(/<[^>]+\son\w+=/)
        } else if (format === 'slack') {
          expect(stdout).not.toMatch(/<[!@#]/)
        } else if (format === 'json') {
          expect(schemaFaults(privacyReportSchema, JSON.parse(stdout))).toEqual([])
        }
      }
    }, 2 * PATIENCE)

    it('--verbose tells what happens as it happens', async () => {
      const { code, stderr } = await analyze('--duration', '1', '--verbose', '--connect-to', addressOf(await peer()))
      expect(code).toBe(0)
      expect(stderr).toMatch(/^\d+\.\d{3} s {2}peer 1: connected, outbound, tcp$/m)
      expect(stderr).toMatch(/^\d+\.\d{3} s {2}peer 1: identified, \d+ protocols?$/m)
    }, PATIENCE)

    it('thresholds are flags', async () => {
      const report = await json('--simulate', '--anonymity-set-threshold', '10', '--timing-correlation-threshold', '0.95')
      expect(schemaFaults(privacyReportSchema, report)).toEqual([])
      expect(report.thresholds).toEqual({ ANONYMITY_SET_THRESHOLD: 10, TIMING_CORRELATION_THRESHOLD: 0.95 })
      expect(report.risks.some(({ kind }) => kind === 'timing-correlation')).toBe(false)

      for (const [flag, value] of [['anonymity-set', '0'], ['anonymity-set', ''], ['timing-correlation', '1.5'], ['timing-correlation', 'much']]) {
        const { code, stdout, stderr } = await analyze('--simulate', `--${flag}-threshold=${value}`)
        expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('_THRESHOLD must be a number')])
      }
    }, PATIENCE)

    it('--help names each flag; others are refused', async () => {
      const { code, stdout } = await analyze('--help')
      expect(code).toBe(0)
      for (const flag of ['duration', 'listen-addr', 'connect-to', 'simulate', 'node', 'format', 'output', 'raw', 'verbose', 'zk', 'zk-group', 'zk-nonce', 'zk-artifacts', 'anonymity-set-threshold', 'timing-correlation-threshold']) {
        expect(stdout).toContain(`--${flag} `)
      }
      expect((await analyze('--conect-to', NOBODY)).stderr).toContain('connect-to')
    }, PATIENCE)
  })
}
