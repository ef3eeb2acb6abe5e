import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { assertOurs, openFormat } from '../../../src/cache/disk/store-format.ts'
import { MemoryFiles } from './support/memory-files.ts'
import { block, openTier, temporaryDirectory } from './support/tiers.ts'

async function contents (path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of await readdir(path, { recursive: true })) {
    found[name] = (await lstat(join(path, name))).isFile() ? await readFile(join(path, name), 'latin1') : ''
  }
  return found
}

describe('a directory', () => {
  it.each([
    ['that holds something else', { 'photo.jpg': 'x', deep: undefined }, /is not a block cache, and not empty \("deep", "photo\.jpg"\)/],
    ['of another program', { 'format.json': '{"format":"somebody-elses","version":3}' }, /holds "somebody-elses" and no block cache/],
    ['of a newer version', { 'format.json': `{"format":"portolan-block-cache","version":2,"nonce":"0011223344556677","check":${crc32('portolan-block-cache 2 0011223344556677')}}` }, /version 2, made by a newer release/],
    ['whose format is broken, and there is no block', { 'format.json': '{"for' }, /is not that of a block cache, and there is no block to tell by/],
    ['whose format is a list', { 'format.json': '[]' }, /is not that of a block cache/]
  ])('%s is refused by name, and stays as it is', async (_, names, message) => {
    const path = await temporaryDirectory()
    for (const [name, text] of Object.entries(names)) {
      if (text == null) {
        await mkdir(join(path, name))
      } else {
        await writeFile(join(path, name), text)
      }
    }
    const before = await contents(path)
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: expect.stringMatching(message) }))
    expect(await contents(path)).toEqual(before)
  })

  it('with the format of another cache is refused by name, and stays as it is', async () => {
    const [path, other] = [await temporaryDirectory(), await temporaryDirectory()]
    const { multihash, bytes } = block(1, 500)
    for (const each of [path, other]) {
      const { tier } = await openTier({ path: each })
      await tier.write(multihash, bytes, 'authored')
      await tier.close()
    }
    const own = await readFile(join(path, 'format.json'))
    await writeFile(join(path, 'format.json'), await readFile(join(other, 'format.json')))
    const before = await contents(path)
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: expect.stringMatching(/another cache/) }))
    expect(await contents(path)).toEqual(before)
    await writeFile(join(path, 'format.json'), own)
    const { tier } = await openTier({ path })
    expect(await tier.read(tier.find(multihash))).toEqual(bytes)
  })

  it.each(['a link', 'a directory'])('with %s among its segments is refused by name, and whatever it leads to stays as it is', async what => {
    const [path, elsewhere] = [await temporaryDirectory(), await temporaryDirectory()]
    const { tier } = await openTier({ path })
    const { multihash, bytes } = block(1, 500)
    await tier.write(multihash, bytes, 'authored')
    await tier.close()
    const precious = join(elsewhere, 'precious')
    await writeFile(precious, 'precious')
    const name = join(path, 'segments', '00000050.seg')
    await (what === 'a link' ? symlink(precious, name) : mkdir(name))
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: expect.stringMatching(/is no file/) }))
    expect(await readFile(precious, 'utf8')).toBe('precious')
    await rm(name, { recursive: true })
    const { tier: again } = await openTier({ path })
    expect(await again.read(again.find(multihash))).toEqual(bytes)
  })

  it('with a file whose number leaves none for those to come keeps what is written', async () => {
    const path = await temporaryDirectory()
    const { tier } = await openTier({ path })
    await tier.close()
    await writeFile(join(path, 'segments', '4294967295.seg'), '')
    const { multihash, bytes } = block(1, 500)
    const { tier: again } = await openTier({ path })
    await again.write(multihash, bytes, 'authored')
    await again.close()
    const { tier: last } = await openTier({ path })
    expect(await last.read(last.find(multihash))).toEqual(bytes)
  })

  describe('with the wrong thing', () => {
    it.each([
      ['lock', 'file'], ['lock', 'dangling link'], ['segments', 'file'], ['segments', 'dangling link'], ['values', 'file'], ['values', 'dangling link'], ['quarantine', 'file'],
      ['format.json', 'directory'], ['format.json', 'dangling link'], ['format.json.new', 'directory'], ['reserve', 'directory'], ['reserve.new', 'directory'],
      ['segments/00000001.seg', 'directory'], ['segments/00000001.seg', 'dangling link'], ['segments/00000001.idx', 'directory'], ['segments/00000001.idx', 'dangling link'],
      ['segments/00000009.idx', 'directory'], ['segments/00000001.idx.new', 'directory'], ['values/policy', 'directory'], ['quarantine/0000000001-ab.bad', 'directory'], ['lock/LOCK', 'directory'], ['lock/CURRENT', 'directory'],
      ['lock', 'link'], ['segments', 'link'], ['values', 'link'], ['quarantine', 'link']
    ])('in the place of %s, a %s, is refused by its name, and all is there when that is gone', async (name, what) => {
      const path = await temporaryDirectory()
      const { tier } = await openTier({ path })
      const { multihash, bytes } = block(1, 500)
      await tier.write(multihash, bytes, 'authored')
      await tier.saveNote('policy', Uint8Array.of(7))
      await tier.close()

      const [wrong, aside] = [join(path, name), `${path}.aside`]
      onTestFinished(async () => rm(aside, { recursive: true, force: true }))
      const isThere = existsSync(wrong)
      if (isThere) {
        await rename(wrong, aside)
      }
      await mkdir(dirname(wrong), { recursive: true })
      const theirs = await temporaryDirectory()
      for (const their of ['CURRENT', 'thesis.txt.new', '00000007.idx', '00000007.idx.new', 'policy.new', '0000000001-ab.bad']) {
        await writeFile(join(theirs, their), 'precious')
      }
      await (what === 'file' ? writeFile(wrong, 'precious') : what === 'directory' ? mkdir(wrong) : symlink(what === 'link' ? theirs : join(path, 'nowhere'), wrong))
      if (what === 'directory') {
        await writeFile(join(wrong, 'deep'), 'precious')
      }
      // LevelDB writes there whenever the lock is taken
      const others = async (): Promise<unknown> => Object.entries(await contents(path)).filter(([name]) => !name.startsWith('lock'))
      const before = await others()
      await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: expect.stringContaining(`${wrong} is no`) }))
      await expect(openTier({ path })).rejects.toThrow(/remove it/)
      expect(await others()).toEqual(before)
      expect(await readdir(theirs)).toHaveLength(6)

      await rm(wrong, { recursive: true })
      if (isThere) {
        await rename(aside, wrong)
      }
      const { tier: again, report } = await openTier({ path })
      expect(report.repairs).toEqual([])
      expect([await again.read(again.find(multihash)), await again.loadNote('policy')]).toEqual([bytes, Uint8Array.of(7)])
    })
  })

  it('that is a link may lead to a directory, and is refused by name when it leads nowhere', async () => {
    const path = await temporaryDirectory()
    const [link, missing] = [join(path, 'link'), join(path, 'missing')]
    await symlink(missing, link)
    await expect(openTier({ path: link })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: `${link} is a link that leads nowhere: make the directory that it names, or remove it` }))
    await mkdir(missing)
    await openTier({ path: link })
    expect(await readdir(missing)).toContain('format.json')
  })

  it('keeps what others have put among its segments, whatever they are called', async () => {
    const path = await temporaryDirectory()
    const { tier } = await openTier({ path })
    await tier.close()
    for (const name of ['thesis.txt.new', '00000001.idx.new']) {
      await writeFile(join(path, 'segments', name), 'precious')
    }
    await (await openTier({ path })).tier.close()
    expect(await readdir(join(path, 'segments'))).toEqual(['00000001.seg', 'thesis.txt.new'])
  })

  it('that is a file is refused by name', async () => {
    const path = join(await temporaryDirectory(), 'file')
    await writeFile(path, 'x')
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError', message: expect.stringMatching(/is a file and not a directory/) }))
  })

  it('that is a fresh file system is taken', async () => {
    const path = await temporaryDirectory()
    await mkdir(join(path, 'lost+found'))
    await openTier({ path })
  })

  it('is for its owner alone, whatever the process lets others do', async () => {
    const path = join(await temporaryDirectory(), 'a', 'b')
    const { tier } = await openTier({ path })
    const { multihash, bytes } = block(1, 10)
    await tier.quarantine(await tier.write(multihash, bytes, 'fetched'), 'a test')
    await tier.saveNote('policy', bytes)
    await tier.close()
    for (const name of ['', '..', ...await readdir(path, { recursive: true })]) {
      // what LevelDB makes is behind a door that is shut
      if (!name.startsWith(`lock${'/'}`)) {
        expect((await stat(join(path, name))).mode & 0o077, name).toBe(0)
      }
    }
  })

  it('that may not be written to says so', async () => {
    if (process.getuid?.() === 0) {
      // root may write anywhere
      return
    }
    const path = await temporaryDirectory()
    await chmod(path, 0o500)
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ code: 'EACCES' }))
    await chmod(path, 0o700)
  })

  it('that another process has open is refused by name, and free when that one is killed', async () => {
    const path = await temporaryDirectory()
    const tier = new URL('../../../src/cache/disk/segment-tier.ts', import.meta.url)
    const clock = new URL('../../../src/clock/system-clock.ts', import.meta.url)
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      const { diskTier } = await import(${JSON.stringify(tier.href)})
      const { systemClock } = await import(${JSON.stringify(clock.href)})
      await diskTier({ clock: systemClock, log: Object.assign(() => {}, { error () {}, trace () {} }) }, { path: ${JSON.stringify(path)} }).open()
      console.log('open')
      setInterval(() => {}, 1000)
    `], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => child.stdout.once('data', resolve))

    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError', message: expect.stringContaining(path) }))
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    await openTier({ path })
  })
})

describe('an older version', () => {
  const PATH = '/cache'

  it('is migrated step by step, and again when a crash came in between', async () => {
    const files = new MemoryFiles()
    await files.makeDirectory(PATH)
    const { nonce } = await openFormat(files, PATH)
    const done: number[] = []
    let broken = true
    const rules = {
      version: 3,
      migrations: {
        1: async () => { done.push(1) },
        2: async () => {
          done.push(2)
          if (broken) {
            throw new Error('the power went')
          }
        }
      }
    }
    await assertOurs(files, PATH, rules)
    await expect(openFormat(files, PATH, rules)).rejects.toThrow('the power went')
    broken = false
    expect(await openFormat(files, PATH, rules)).toEqual({ nonce, repairs: ['migrated from version 2 to 3'] })
    expect(await openFormat(files, PATH, rules)).toEqual({ nonce, repairs: [] })
    expect(done).toEqual([1, 2, 2])
    await expect(assertOurs(files, PATH)).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError' }))
  })

  it('without a way from there is refused', async () => {
    const files = new MemoryFiles()
    await files.makeDirectory(PATH)
    await openFormat(files, PATH)
    await expect(assertOurs(files, PATH, { version: 3, migrations: { 2: async () => {} } })).rejects.toThrow(/there is no way from there to version 3/)
  })
})
