import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { block, httpSpy } from '../e2e/modes/spies.ts'
import { Scope, run } from './fixture.ts'
import type { HttpSpy } from '../e2e/modes/spies.ts'

/** An own router that names a gateway of strangers, which has the block: `balanced` asks it, `strict` does not */

let open: AsyncDisposableStack
let scope: Scope
let cid: string
let content: string
let router: HttpSpy
let stranger: HttpSpy

beforeEach(async () => {
  open = new AsyncDisposableStack()
  scope = new Scope()
  content = 'at a gateway that nobody named'
  const wanted = await block(content)
  cid = wanted.cid.toString()
  stranger = await httpSpy(open, { has: [wanted] })
  router = await httpSpy(open, { names: [stranger.url] })
})
afterEach(async () => {
  await scope.close()
  await open.disposeAsync()
})

const named = (): string[] => ['--own-router', router.url, '--allow', '127.0.0.1']

describe('portolan get', () => {
  it('reads in mode balanced unless it is told otherwise', async () => {
    expect(await run(['get', cid, '--store', scope.directory(), ...named()])).toMatchObject({ code: 0, stdout: content })
    expect(stranger.connections()).toBeGreaterThan(0)
  })

  it.each([
    ['a flag', (file: string) => ({ args: ['--mode', 'strict'], env: {}, file })],
    ['the environment', (file: string) => ({ args: [], env: { PORTOLAN_MODE: 'strict' }, file })],
    ['its file', (file: string) => {
      writeFileSync(file, JSON.stringify({ routing: { mode: 'strict' } }))
      return { args: ['--config', file], env: {}, file }
    }]
  ])('asks no host that is not its own when %s says strict', async (_, given) => {
    const store = scope.directory()
    const { args, env } = given(join(store, 'portolan.json'))
    const { code, stdout, stderr } = await run(['get', cid, '--store', join(store, 'data'), '--timeout', '5s', ...named(), ...args], env)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('mode "strict" asks no other host over HTTP')
    expect(router.asked).not.toEqual([])
    expect(stranger.connections()).toBe(0)
  })

  it('tells of a variable that is none of ours: somebody may count on it', async () => {
    const { code, stderr } = await run(['get', cid, '--store', scope.directory(), ...named()], { PORTOLAN_MOD: 'strict' })
    expect([code, stderr]).toEqual([0, 'note: the environment variable PORTOLAN_MOD is not an option of portolan; did you mean PORTOLAN_MODE?\n'])
  })

  it('refuses a mode that is none, and a router of others in mode strict, and asks nobody', async () => {
    const store = scope.directory()
    expect(await run(['get', cid, '--store', store, '--mode', 'secret', ...named()])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('must be one of open, balanced, strict') as string })
    expect(await run(['get', cid, '--store', store, '--mode', 'strict', '--router', router.url])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('mode "strict" asks only routers of your own') as string })
    expect([router.connections(), stranger.connections()]).toEqual([0, 0])
  })
})

describe('portolan serve', () => {
  it.each([['balanced', 200], ['strict', 404]] as const)('reads in mode %s for the clients of its gateway, and for commands that name no other', async (mode, status) => {
    const store = scope.directory()
    const { gateway } = await scope.serve(store, ['--mode', mode, '--timeout', '5s', ...named()])
    const response = await fetch(`${gateway}/ipfs/${cid}?format=raw`)
    expect(response.status).toBe(status)
    await response.arrayBuffer()
    const { code } = await run(['get', cid, '--store', store])
    expect(code).toBe(mode === 'strict' ? 1 : 0)
    expect(stranger.connections() > 0).toBe(mode !== 'strict')
  })

  it('is gone past by a command that names a mode, which says so', async () => {
    const store = scope.directory()
    await scope.serve(store, ['--mode', 'balanced', ...named()])
    const strict = await run(['get', cid, '--store', store, '--mode', 'strict', '--timeout', '5s', ...named()])
    expect(strict.code).toBe(1)
    expect(strict.stderr).toContain('the read goes past it')
    expect(stranger.connections()).toBe(0)
  })

  it.each([
    ['the environment variable PORTOLAN_MODE', (_: string) => ({ args: [], env: { PORTOLAN_MODE: 'strict' } })],
    ['the file', (file: string) => {
      writeFileSync(file, JSON.stringify({ routing: { mode: 'strict' } }))
      return { args: ['--config', file], env: {} }
    }]
  ])('is asked all the same where %s names a mode, and a note says that this is not heeded', async (source, given) => {
    const store = scope.directory()
    await scope.serve(store, ['--mode', 'balanced', ...named()])
    const { args, env } = given(join(scope.directory(), 'portolan.json'))
    const { code, stdout, stderr } = await run(['get', cid, '--store', store, ...args], env)
    expect([code, stdout]).toEqual([0, content])
    expect(stderr).toMatch(/^note: .*\n$/)
    expect(stderr).toContain(`the running node reads as it was started, not with routing.mode of ${source}`)
    expect(stderr).toContain('--mode on the command line would read past it')
    expect((await run(['explain', cid, '--store', store, ...args], env)).stderr).toBe(stderr)
  })

  it('is asked without a word where the environment says what it was started with', async () => {
    const store = scope.directory()
    await scope.serve(store, ['--mode', 'balanced', ...named()])
    expect(await run(['get', cid, '--store', store], { PORTOLAN_MODE: 'balanced', PORTOLAN_STORE: store })).toMatchObject({ code: 0, stdout: content, stderr: '' })
  })
})
