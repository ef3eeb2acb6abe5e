import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schema, shownFlag } from '../../src/config/schema.ts'
import { didYouMean, editDistance, suggest } from '../../src/interface/suggest.ts'
import { UsageError } from '../../src/cli/exit-code.ts'
import { commandHelp, helpWidth, programHelp } from '../../src/cli/help.ts'
import { nodeVersionProblem } from '../../src/cli/node-version.ts'
import { parseArguments } from '../../src/cli/parse.ts'
import { COMMANDS } from '../../src/cli/run.ts'
import { painter, paintStory } from '../../src/cli/style.ts'
import { transferLine } from '../../src/cli/progress.ts'
import type { Command } from '../../src/cli/command.ts'

function command (name: string): Command {
  return COMMANDS.find(command => command.name === name) as Command
}
const [serve, get] = [command('serve'), command('get')]

describe('arguments', () => {
  it('reads flags, repeated ones, short ones and positionals in any order', () => {
    expect(parseArguments(get, ['--provider', 'a', 'CID', '-o', 'x', '--provider=b'])).toEqual({
      positionals: ['CID'], config: { provider: ['a', 'b'] }, own: { output: 'x' }
    })
    expect(parseArguments(get, ['CID', '-o', '-']).own).toEqual({ output: '-' })
    expect(parseArguments(get, ['--', '--odd'])).toMatchObject({ positionals: ['--odd'] })
    expect(parseArguments(serve, ['--no-allow-sha1']).config).toEqual({ 'allow-sha1': false })
  })

  it.each([
    [serve, ['--prot', '1'], /--prot is not an option of portolan serve; did you mean --port\?/],
    [serve, ['-x'], /-x is not an option/], [serve, ['extra'], /takes no arguments, not "extra"/], [serve, ['--port'], /--port needs a value/],
    [serve, ['--port', '--store', 'x'], /--port needs a value/], [serve, ['--port', '1', '--port', '2'], /given twice/],
    [serve, ['--allow-sha1=yes'], /^--allow-sha1 takes no value, not "yes": --allow-sha1 switches it on, --no-allow-sha1 off$/],
    [serve, ['--ledger=false'], /^--ledger takes no value, not "false": --ledger switches it on, --no-ledger off$/], [serve, ['--no-ledger=true'], /^--no-ledger takes no value, not "true"$/],
    [serve, ['--help=x'], /^--help takes no value, not "x"$/], [serve, ['--no-port'], /--no-port is not an option/],
    [get, [], /needs CID/], [get, ['a', 'b'], /takes only CID\[\/PATH\], not "b"/], [get, ['a', '--json'], /--json is not an option of portolan get/]
  ])('%o with %j says what is wrong', (command, args, message) => {
    expect(() => parseArguments(command, args)).toThrow(UsageError)
    expect(() => parseArguments(command, args)).toThrow(message)
  })

  it('whatever is typed, a result or a UsageError', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('--port', '--provider', '-o', '--', '-', '--help', '--no-help', '--port=', '-oo', '__proto__', '--__proto__', '--constructor'))
    fc.assert(fc.property(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 6 }), (command, args) => {
      try {
        const { positionals } = parseArguments(command, args)
        expect(positionals.length <= command.maxArguments || args.some(arg => /^-(?:-help|-version|\w*[hV])/.test(arg))).toBe(true)
      } catch (err) {
        expect(err).toBeInstanceOf(UsageError)
      }
    }), { numRuns: 2000 })
  })

  it('every option that has a flag is one of serve, and whoever reads in a DHT can say which', () => {
    const flagged = Object.entries(schema).filter(([, option]) => 'flag' in option).map(([key]) => key)
    expect([...serve.options].sort()).toEqual(flagged.sort())

    for (const { name, options } of COMMANDS.filter(({ options }) => options.includes('libp2p.bootstrap'))) {
      expect([name, options.includes('libp2p.dhtProtocol')]).toEqual([name, true])
    }
  })

  it('every option of a command has a flag', () => {
    for (const { name, options } of COMMANDS) {
      for (const key of options) {
        expect([name, key, 'flag' in schema[key]]).toEqual([name, key, true])
      }
    }
  })
})

describe('words', () => {
  it('finds the word that was meant, and none where none was', () => {
    expect([suggest('serv', ['serve', 'get']), suggest('exlpain', ['serve', 'explain']), suggest('xyzzy', ['serve', 'get'])]).toEqual(['serve', 'explain', undefined])
    expect(didYouMean('x'.repeat(1000), ['x'])).toBe('')
  })

  it('the distance is one: symmetric, zero only for the same, and bounded by the longer word', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      expect(distance).toBe(editDistance(b, a))
      expect(distance === 0).toBe(a === b)
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
    }))
  })
})

describe('what people read', () => {
  it('the help names every command and every flag', () => {
    for (const command of COMMANDS) {
      expect(programHelp(COMMANDS)).toContain(command.summary)
      const help = commandHelp(command)
      for (const key of command.options) {
        expect(help).toContain(`${shownFlag(schema[key])}`)
      }
    }
  })

  it('the help says what a cache takes when nobody said so, and what each of its actions prints', () => {
    const words = (name: string): string => commandHelp(COMMANDS.find(command => command.name === name) as Command).replace(/\s+/g, ' ')
    expect(words('serve')).toMatch(/--cache-size BYTES [^(]*\(default 10 GiB, or half of what is free/)
    for (const name of ['cache', 'get', 'explain']) {
      expect(words(name)).toMatch(/--cache-size BYTES [^(]*\(default the size that the last serve had there, else 10 GiB/)
    }
    expect(words('cache')).toMatch(/Actions: stats Prints .* ls Prints .* verify .* Prints .* gc .* Prints .* clear .* Prints .* Options:/)
  })

  it('a switch that is on is shown as what switches it off', () => {
    expect(commandHelp(serve)).toMatch(/^ {2}--no-ledger +Do not write down who learns what/m)
    expect(commandHelp(serve)).not.toMatch(/^ {2}--ledger /m)
    expect(parseArguments(serve, ['--no-ledger']).config).toEqual({ ledger: false })
    expect(parseArguments(serve, ['--ledger']).config).toEqual({ ledger: true })
  })

  it('the help keeps within its width, and loses no word', () => {
    for (const width of [40, 50, 59, 60, 80, 100, 120]) {
      for (const help of [programHelp(COMMANDS, width), ...COMMANDS.map(command => commandHelp(command, width))]) {
        // what stands alone on its line cannot be broken, nor can a flag and its value in an example
        const lines = help.split('\n').filter(line => !/^ {2,4}(?:portolan|--?[a-z]\S*|\|) .*\S/.test(line) && /\S {1,}\S/.test(line.trimStart().replace(/^-.*? {2,}/, '')))
        expect(lines.filter(line => line.length > width)).toEqual([])
      }
    }
    // as wide as most terminals, nothing is broken by the terminal
    for (const help of [programHelp(COMMANDS, 80), ...COMMANDS.map(command => commandHelp(command, 80))]) {
      expect(help.split('\n').filter(line => line.length > 80)).toEqual([])
    }
    // a long name does not take the room of what is said of all
    for (const command of COMMANDS) {
      const options = commandHelp(command, 60).split('Options:\n')[1]?.split('\n\n')[0]?.split('\n') ?? []
      expect(options.map(line => /^ {3,}(?=\S)/.exec(line)?.[0].length ?? 0).filter(indent => indent > 31)).toEqual([])
    }
    // an example that is broken goes on for the shell, too
    const words = (help: string): string[] => help.replaceAll(' \\\n', ' ').split(/\s+/)
    expect(words(commandHelp(serve, 40))).toEqual(words(commandHelp(serve, 1000)))
    expect(words(commandHelp(serve, 60))).toEqual(words(commandHelp(serve, 1000)))
    expect([helpWidth({}), helpWidth({ isTTY: true, columns: 72 }), helpWidth({ isTTY: true, columns: 50 }), helpWidth({ isTTY: true, columns: 10 }), helpWidth({ isTTY: true, columns: 0 }), helpWidth({ isTTY: true, columns: 400 })]).toEqual([100, 72, 50, 40, 100, 120])
  })

  it('colours only a terminal, and not with NO_COLOR', () => {
    const story = 'bafy: delivered after 5 ms\n      1.0 ms  end #1     stalled after 3 ms'
    expect(paintStory(story, painter({ isTTY: false }, {}))).toBe(story)
    expect(paintStory(story, painter({ isTTY: true }, { NO_COLOR: '1' }))).toBe(story)
    expect(paintStory(story, painter({ isTTY: true }, { TERM: 'dumb' }))).toBe(story)
    expect(paintStory(story, painter({ isTTY: true }, { NO_COLOR: '' }))).toContain('\u001b[')
  })

  it('the progress line adds up', () => {
    expect(transferLine(500, 1000, 1000)).toBe('[############------------] 50%  500 B of 1.0 kB  500 B/s')
    expect(transferLine(2000, 1000, 0)).toBe('[########################] 100%  2.0 kB of 1.0 kB')
    expect(transferLine(0, undefined, 0)).toBe('0 B')
  })

  it.each([['v20.20.2', true], ['v22.18.9', true], ['v22.19.0', false], ['v24.0.0', false], ['v23.0.0', false]])('Node %s is too old: %j', (version, tooOld) => {
    expect(nodeVersionProblem(version) != null).toBe(tooOld)
  })
})
