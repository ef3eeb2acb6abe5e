import { sendBody } from './respond.ts'
import type { BodyOptions } from './respond.ts'
import type { ServerResponse } from './server.ts'

/** Answers with a line of JSON each. `piece`: bytes that are gathered before they are sent, for lists; 0 where each is for now. */
export async function sendLines (response: ServerResponse, lines: AsyncIterable<object>, piece: number, options: Omit<BodyOptions, 'head'>): Promise<void> {
  await sendBody(response, encoded(lines, piece), {
    ...options,
    head: () => { response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }) }
  })
}

/** How far it is, then what came of it. Whoever reads slowly hears of less: only the newest progress is kept for him */
export async function * working<T extends object> (work: (onProgress: (progress: T) => void) => Promise<object>): AsyncGenerator<object> {
  let latest: T | undefined
  let changed = Promise.withResolvers<boolean>()
  const result = work(progress => {
    latest = progress
    changed.resolve(false)
  })
  const over = result.then(() => true, () => true)

  for (let isOver = false; !isOver;) {
    isOver = await Promise.race([over, changed.promise])
    if (latest != null) {
      const progress = latest
      latest = undefined
      changed = Promise.withResolvers()
      yield progress
    }
  }
  yield { done: true, ...await result }
}

async function * encoded (lines: AsyncIterable<object>, piece: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let text = ''
  for await (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    if (text.length >= piece) {
      yield encoder.encode(text)
      text = ''
    }
  }
  yield encoder.encode(text)
}
