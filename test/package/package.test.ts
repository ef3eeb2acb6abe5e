import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeAnalyze } from '../cli/analyze-flags.ts'
import { describeProof } from '../cli/proof-flags.ts'
import { makeMember } from '../privacy/proofs/support/members.ts'
import { formatMembershipGroup } from '../../src/privacy/proofs/membership-group.ts'
import type { Membership } from '../../src/privacy/proofs/membership.ts'

const exec = promisify(execFile)
const ROOT = join(import.meta.dirname, '..', '..')
const { name, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { name: string, version: string }

/** The project of somebody who installs what is published */
let project: string

async function npm (args: string[], cwd: string): Promise<string> {
  const { stdout } = await exec('npm', args, { cwd, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

async function run (code: string): Promise<unknown> {
  const { stdout } = await exec(process.execPath, ['--input-type=module', '--eval', code], { cwd: project })
  return JSON.parse(stdout)
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'portolan-package-'))
  await npm(['run', 'build'], ROOT)
  const [packed] = JSON.parse(await npm(['pack', '--json', '--pack-destination', project], ROOT)) as [{ filename: string }]
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'somebody', private: true, type: 'module' }))
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', `./${packed.filename}`], project)
})

afterAll(async () => {
  await rm(project, { recursive: true, force: true })
})

describe('the packed package, installed', () => {
  it('exports what users import', async () => {
    const names = await run("console.log(JSON.stringify(Object.keys(await import('portolan'))))") as string[]
    expect(names).toEqual(expect.arrayContaining(['withContentRouting', 'createPortolan', 'getFilesystem', 'ContentRoutingManager']))
  })

  it('exports the testing room', async () => {
    const names = await run("console.log(JSON.stringify(Object.keys(await import('portolan/testing'))))") as string[]
    expect(names).toEqual(expect.arrayContaining(['loopbackProvider', 'sampleFile']))
  })

  it('exports the cache for whoever opens one alone, without the modules of a node', async () => {
    const { kept, modules } = await run(`
      import { registerHooks } from 'node:module'
      const modules = []
      registerHooks({ load: (url, context, next) => { modules.push(url); return next(url, context) } })
      const { openBlockCache } = await import('portolan/cache')
      const { CID } = await import('multiformats/cid')

      const cache = await openBlockCache({ path: './alone', maxBytes: 10_000_000 })
      const cid = CID.parse('bafkreih2z6fvjzoaxdccnoy4jp22acv75kqgjxejxkbjrx5aycbxi3xolm')
      await cache.put(cid, new TextEncoder().encode('alone'))
      const { blocks } = cache.stats()
      await cache.close()
      console.log(JSON.stringify({ kept: blocks.authored, modules }))
    `) as { kept: number, modules: string[] }
    expect(kept).toBe(1)
    expect(modules.filter(url => /node_modules\/(@helia|helia|@libp2p|libp2p|undici)\//.test(url))).toEqual([])
  })

  it('exports proofs of membership, of which only making one needs more packages', async () => {
    const { members, refused, missing } = await run(`
      import { generateKeyPair } from '@libp2p/crypto/keys'
      import { createMembership, formatMembershipGroup, memberIdentity, MembershipGroup, MembershipProver, MembershipVerifier, randomSeed } from 'portolan/privacy'

      const validity = { validFrom: 0, validUntil: Date.UTC(2100) }
      const members = await Promise.all(Array.from({ length: 5 }, async () => createMembership({
        group: 'fleet', identity: await memberIdentity(randomSeed()), privateKey: await generateKeyPair('Ed25519'), ...validity
      })))
      const group = await MembershipGroup.parse(await formatMembershipGroup({ name: 'fleet', members, ...validity }))
      const refused = await new MembershipVerifier({ group }).verify('{}', { report: '0'.repeat(64), nonce: 'n'.repeat(32) }).catch(err => err.reason)
      const missing = await MembershipProver.open({}, { depth: 10 }).catch(err => err.name)
      console.log(JSON.stringify({ members: group.size, refused, missing }))
    `) as { members: number, refused: string, missing: string }
    expect({ members, refused, missing }).toEqual({ members: 5, refused: 'malformed', missing: 'MissingDependencyError' })
  })

  it('reads through a wrapped node', async () => {
    const read = await run(`
      import { createHeliaLight } from 'helia'
      import { withContentRouting } from 'portolan'
      import { loopbackProvider, sampleFile } from 'portolan/testing'

      const file = await sampleFile({ size: 100_000, chunkSize: 10_000 })
      const provider = await loopbackProvider({ blocks: file.blocks })
      const helia = await withContentRouting(createHeliaLight(), { providers: [provider.url] }).start()
      let size = 0
      for await (const chunk of helia.contentRouting.retrieveContent(file.root)) {
        size += chunk.byteLength
      }
      await helia.stop()
      await provider.close()
      console.log(JSON.stringify({ size }))
    `)
    expect(read).toEqual({ size: 100_000 })
  })

  it('has a command that says its version', async () => {
    const { stdout } = await exec(join(project, 'node_modules', '.bin', name), ['--version'], { cwd: project })
    expect(stdout).toContain(version)
  })

  it('serves the welcome site and ends cleanly', async () => {
    const store = join(project, 'store')
    await mkdir(store)
    const node = spawn(join(project, 'node_modules', '.bin', name), ['serve', '--port', '0', '--control-port', '0', '--store', store], { cwd: project, stdio: ['ignore', 'pipe', 'pipe'] })
    const exited = once(node, 'exit')

    try {
      const url = await firstUrl(node.stdout, node.stderr)
      const site = await fetch(url)
      expect(site.status).toBe(200)
      expect(await site.text()).toContain('<html')
      node.kill('SIGINT')
      expect(await exited).toEqual([0, null])
    } finally {
      node.kill('SIGKILL')
    }
  })

  it('has types that a strict project accepts', async () => {
    await writeFile(join(project, 'use.ts'), "import { withContentRouting } from 'portolan'\nimport { openBlockCache } from 'portolan/cache'\nimport { loopbackProvider } from 'portolan/testing'\nexport const used: unknown[] = [withContentRouting, openBlockCache, loopbackProvider]\n")
    const { stdout } = await exec(join(ROOT, 'node_modules', '.bin', 'tsc'), [
      '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext.disposable,dom,dom.iterable', '--skipLibCheck', 'use.ts'
    ], { cwd: project }).catch((err: unknown) => err as { stdout: string })
    expect(stdout).toBe('')
  })
})

describe('its command analyze', () => {
  const main = (): string => join(project, 'node_modules', name, 'dist', 'src', 'cli', 'main.js')
  describeAnalyze(main)

  it('says what to install for proofs, which need packages that not everybody wants', async () => {
    const store = join(project, 'member')
    const group = join(project, 'group.json')
    const { stdout } = await exec(process.execPath, [main(), 'proof', 'join', 'fleet', '--store', store])
    const entry = JSON.parse(stdout) as Membership
    const times = { validFrom: Date.parse(entry.validFrom), validUntil: Date.parse(entry.validUntil) }
    const members = await Promise.all([1, 2, 3, 4].map(async n => (await makeMember(n, 'fleet', times)).membership))
    await writeFile(group, await formatMembershipGroup({ name: 'fleet', members: [entry, ...members], ...times }))

    const failure = await exec(process.execPath, [main(), 'analyze', '--zk', '--zk-group', group, '--store', store, '--simulate']).catch((err: unknown) => err as { code: number, stdout: string, stderr: string })
    expect(failure).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^portolan: .*npm install .*@zk-kit\/semaphore-artifacts/) as string })
  })
})

describe('its command proof', () => {
  describeProof(() => join(project, 'node_modules', name, 'dist', 'src', 'cli', 'main.js'))
})

/** The first gateway address that the node prints */
async function firstUrl (...outputs: NodeJS.ReadableStream[]): Promise<string> {
  return Promise.any(outputs.map(async output => {
    for await (const line of createInterface({ input: output })) {
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
      if (url != null) {
        output.resume()
        return url
      }
    }
    throw new Error('it printed no address')
  }))
}
