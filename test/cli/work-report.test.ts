import { Writable } from 'node:stream'
import { expect, it } from 'vitest'
import { WorkReport } from '../../src/cli/work-report.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { CommandContext } from '../../src/cli/command.ts'

interface Terminal {
  readonly stream: NodeJS.WriteStream
  text (): string
}

/** A stream that says that it is a terminal, and what was written to it */
function terminal (isTTY: boolean, write?: (done: () => void) => void): Terminal {
  let text = ''
  const stream = new Writable({
    highWaterMark: 1,
    write (chunk: Uint8Array, _encoding, done) {
      text += Buffer.from(chunk).toString()
      write == null ? done() : write(done)
    }
  })
  return { stream: Object.assign(stream, { isTTY, columns: 80 }) as unknown as NodeJS.WriteStream, text: () => text }
}

function report (out: Terminal, err: Terminal, json: boolean, clock = new VirtualClock()): WorkReport {
  return new WorkReport({ stdout: out.stream, stderr: err.stream, clock, flags: { json }, signal: new AbortController().signal } as unknown as CommandContext)
}

it('draws a bar for people, clears it when the work is over, and says what came of it', async () => {
  const [out, err, clock] = [terminal(true), terminal(true), new VirtualClock()]
  const told = report(out, err, false, clock)
  await told.during(async () => {
    for (const progress of [{ phase: 'evict', blocks: 0, totalBlocks: 0 }, { phase: 'evict', blocks: 1, totalBlocks: 4 }, { phase: 'compact', bytes: 1_500, totalBytes: 3_000 }] as const) {
      told.work(progress)
      await clock.advance(250)
    }
  })
  await told.end({ evicted: 4 }, 'four are gone')
  const lines = err.text().split('\r\u001b[K')
  expect(lines).toEqual(['', 'looking for space to give back ...', '[######------------------] 25%  1 of 4 blocks gone', '[############------------] 50%  1.5 kB of 3.0 kB given back', ''])
  expect(out.text()).toBe('four are gone\n')
})

it('clears the bar when the work fails', async () => {
  const [out, err] = [terminal(true), terminal(true)]
  const told = report(out, err, false)
  await expect(told.during(async () => {
    told.work({ phase: 'evict', blocks: 1, totalBlocks: 4 })
    throw new Error('the disk fails')
  })).rejects.toThrow('the disk fails')
  expect([err.text().endsWith('\r\u001b[K'), out.text()]).toEqual([true, ''])
})

it('draws nothing where there is no terminal', async () => {
  const [out, err] = [terminal(false), terminal(false)]
  const told = report(out, err, false)
  await told.during(async () => { told.work({ phase: 'evict', blocks: 1, totalBlocks: 4 }) })
  expect([out.text(), err.text()]).toEqual(['', ''])
})

it('is over when the last line is written, so that none is cut off where nothing follows', async () => {
  const waiting: Array<() => void> = []
  const [out, err] = [terminal(false, done => { waiting.push(done) }), terminal(false)]
  const told = report(out, err, true)
  let isOver = false
  const working = told.during(async () => {
    told.work({ phase: 'evict', blocks: 1, totalBlocks: 4 })
    throw new Error('the disk fails')
  }).finally(() => { isOver = true })
  working.catch(() => {})
  await new Promise(setImmediate)
  expect([waiting.length, isOver]).toEqual([1, false])
  waiting.shift()?.()
  await expect(working).rejects.toThrow('the disk fails')
})

it('writes a line of JSON each for programs, fewer to those that read slowly, and no bar', async () => {
  const waiting: Array<() => void> = []
  const [out, err] = [terminal(true, done => { waiting.push(done) }), terminal(true)]
  const told = report(out, err, true)
  const working = told.during(async () => {
    for (const blocks of [1, 2, 3]) {
      told.work({ phase: 'evict', blocks, totalBlocks: 4 })
    }
    waiting.shift()?.()
  })
  await working
  const ending = told.end({ evicted: 4, note: '\u202e' }, '')
  waiting.shift()?.()
  await ending
  expect(out.text()).toBe('{"phase":"evict","blocks":1,"totalBlocks":4}\n{"done":true,"evicted":4,"note":"\\u202e"}\n')
  expect(err.text()).toBe('')
})
