import { createContext, Script } from 'node:vm'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { expect, it } from 'vitest'

const ENTRY = join(import.meta.dirname, '..', '..', 'src', 'index.browser.ts')

/** What a browser's window has, of what is used; nothing of Node */
const WINDOW = [
  'AbortController', 'AbortSignal', 'Blob', 'CustomEvent', 'DOMException', 'Event', 'EventTarget', 'FormData', 'Headers', 'MessageChannel', 'ReadableStream', 'Request', 'Response',
  'TextDecoder', 'TextEncoder', 'TransformStream', 'URL', 'URLSearchParams', 'WebSocket', 'WritableStream', 'atob', 'btoa', 'clearInterval', 'clearTimeout', 'console', 'crypto', 'fetch',
  'performance', 'queueMicrotask', 'setInterval', 'setTimeout', 'structuredClone'
] as const

it('bundles for a browser without anything of Node, and loads there', async () => {
  const builtins: string[] = []
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'browser',
    logLevel: 'silent',
    plugins: [{
      name: 'builtins',
      resolveId (id, importer) {
        if (id.startsWith('node:')) {
          builtins.push(`${id} from ${importer ?? 'nowhere'}`)
          return { id, external: true }
        }
      }
    }]
  })
  const { output: [chunk] } = await bundle.generate({ format: 'iife', name: 'portolan' })
  await bundle.close()

  expect(builtins).toEqual([])
  expect(chunk.imports).toEqual([])

  const window = createContext(Object.fromEntries(WINDOW.map(name => [name, globalThis[name]])))
  new Script(`${chunk.code}\nthis.portolan = portolan`).runInContext(window)
  expect((window.portolan as Record<string, unknown>).withContentRouting).toBeTypeOf('function')
})
