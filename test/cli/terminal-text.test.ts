import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { parseCID } from '../../src/block/cid.ts'
import { DirectoryError } from '../../src/cli/reader.ts'
import { shellWord, terminalJson, terminalText } from '../../src/cli/terminal-text.ts'
import { describe, expect, it } from 'vitest'

const root = parseCID('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u
const hostile = fc.string({ unit: fc.oneof(fc.constantFrom('\u001b', '\u009b', '\u202e', '\u0007', '\r', '\b', "'", '"', '$', '`', '\\', ' ', '!', ';', '\n', 'a', '0', 'é', '🗺'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })) })

describe('text for a terminal', () => {
  it('steers nothing, and keeps its lines', () => {
    fc.assert(fc.property(hostile, text => {
      expect(terminalText(text).replace(/[\n\t]/g, '')).not.toMatch(STEERING)
      expect(terminalText(text).split('\n')).toHaveLength(text.split('\n').length)
    }))
    expect(terminalText('a\u001b[2Jb\tc\nd')).toBe('a\\u{1b}[2Jb\tc\nd')
  })

  it('JSON means the same, and steers nothing either', () => {
    fc.assert(fc.property(fc.jsonValue(), hostile, (value, text) => {
      const json = terminalJson({ value, [text]: text })
      expect(json.replaceAll('\n', '')).not.toMatch(STEERING)
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ value, [text]: text })))
    }))
    expect(terminalJson(undefined)).toBe('null')
  })
})

describe('words for a shell', () => {
  it('are read back as they were, and steer no terminal', () => {
    // one shell for all of them: printf repeats its format for every argument
    const words = fc.sample(hostile, { numRuns: 300, seed: 1 }).map(word => word.toWellFormed().replaceAll('\0', ''))
    words.forEach(word => { expect(shellWord(word)).not.toMatch(STEERING) })
    const printed = execFileSync('bash', ['-c', `printf '%s\\0' ${words.map(shellWord).join(' ')}`], { env: { LC_ALL: 'C.UTF-8' } }).toString('utf8')
    expect(printed.split('\0').slice(0, -1)).toEqual(words)
  })

  it('a plain name needs no quotes', () => {
    expect([shellWord('a/b-c_d.txt'), shellWord(''), shellWord("it's"), shellWord('a b')]).toEqual(['a/b-c_d.txt', "''", "'it'\\''s'", "'a b'"])
  })

  it('the hint of a directory can be pasted', () => {
    const { message } = new DirectoryError({ root, segments: ['a b'] }, ['plain.txt', '$(touch x)', '\u001b]0;x\u0007'])
    expect(message).toContain(`  portolan get '${root}/a b/plain.txt'\n`)
    expect(message).toContain(`  portolan get '${root}/a b/$(touch x)'\n`)
    expect(message).toContain(`  portolan get $'${root}/a b/\\x1b]0;x\\x07'`)
  })
})
