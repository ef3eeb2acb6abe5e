import { blockKey } from '../../src/block/key.ts'
import { bytes, fit, ms, pad, paint, print, width } from './screen.ts'
import type { Scene } from './scene.ts'
import type { HeliaContentRouting, RetrievalStory } from '../../src/index.ts'

type Attempt = RetrievalStory['attempts'][number]

/** One provider asked once, on the scale of the whole read */
interface Line {
  readonly at: number
  readonly block: string
  readonly name: string
  readonly attempt: Attempt
  /** Went as it should at the first attempt: many of these are told in one line */
  readonly smooth: boolean
}

/** What a read did, gathered from `explain` of each of its blocks */
export interface Account {
  readonly lines: readonly Line[]
  readonly tally: ReadonlyMap<string, Tally>
}

export interface Tally {
  asked: number
  delivered: number
  bytes: number
  readonly outcomes: Map<string, number>
}

export function account (scene: Scene, routing: HeliaContentRouting): Account {
  const names = new Map(scene.actors.map(({ name, provider }) => [`http:${new URL(provider.url).host}`, name]))
  const tally = new Map(scene.actors.map(({ name }) => [name, { asked: 0, delivered: 0, bytes: 0, outcomes: new Map<string, number>() } satisfies Tally]))
  const stories = [scene.file.root, ...scene.file.others].flatMap((cid, i) => {
    const story = routing.explain(cid)?.toJSON() as RetrievalStory | undefined
    return story == null ? [] : [{ story, block: blockKey(cid) === blockKey(scene.file.root) ? 'root' : `#${i}` }]
  })
  const zero = Math.min(...stories.map(({ story }) => Date.parse(story.startedAt)))

  const lines = stories.flatMap(({ story, block }) => story.attempts.map((attempt): Line => {
    const name = names.get(attempt.provider) ?? attempt.provider
    const entry = tally.get(name)
    if (entry != null) {
      entry.asked++
      entry.bytes += attempt.bytes
      entry.delivered += attempt.outcome === 'delivered' ? 1 : 0
      entry.outcomes.set(attempt.outcome ?? 'pending', (entry.outcomes.get(attempt.outcome ?? 'pending') ?? 0) + 1)
    }
    return { at: Date.parse(story.startedAt) - zero + attempt.startedAt, block, name, attempt, smooth: story.attempts.length === 1 && attempt.outcome === 'delivered' }
  }))

  return { lines: lines.sort((a, b) => a.at - b.at), tally }
}

// a run of smooth lines as short as this is shown as it is
const FOLD_FROM = 3

// two screens of a small terminal: a timeline, not a log. `explain` has the rest.
const MOST_ROWS = 40

export function printTimeline ({ lines }: Account): void {
  const room = width() - 29
  const why = Math.floor(room / 2)
  const row = (at: string, block: string, name: string, reason: string, result: string): void => {
    print(`  ${pad(at, 7, 'left')}  ${pad(block, 4)}  ${pad(name, 6)}  ${pad(fit(reason, why), why)}  ${result}`.trimEnd())
  }
  row('at', 'blk', 'asked', 'why', 'what came back')

  for (let i = 0, rows = 0; i < lines.length; i++, rows++) {
    const line = lines[i]
    if (rows === MOST_ROWS) {
      print(paint('gray', `           … and ${lines.length - i} more requests`))
      return
    }
    const run = lines.slice(i).findIndex(line => !line.smooth)
    const smooth = run === -1 ? lines.length - i : run
    if (smooth > FOLD_FROM) {
      print(`  ${pad(ms(line?.at ?? 0), 7, 'left')}  ${paint('gray', fold(lines.slice(i, i + smooth), i > 0))}`)
      i += smooth - 1
    } else if (line != null) {
      row(ms(line.at), line.block, line.name, reasonOf(line.attempt), result(line, room - why))
    }
  }
}

function fold (lines: readonly Line[], more: boolean): string {
  const by = new Map<string, number>()
  for (const { name } of lines) {
    by.set(name, (by.get(name) ?? 0) + 1)
  }
  return fit(`… ${lines.length}${more ? ' more' : ''} blocks, each at the first attempt: ${[...by].map(([name, n]) => `${n} from ${name}`).join(', ')}`, width() - 12)
}

/** The node's own words, made short enough for 80 columns */
function reasonOf ({ reason, because }: Attempt): string {
  const words = because.replace('cheapest of', 'best of').replace('the only one left', 'only one left').replace('not measured yet', 'untried').replace('; ', ': ')
  const narrow = width() < 100
  switch (reason) {
    case 'hedge': return `no byte yet: ${narrow ? words.split(':')[0] : words}`
    case 'next': return `next ${narrow ? words.replace(/(?:usually|expected) /, '~').replace(', no answer yet', '?') : words}`
    case 'shadow': return 'beside it, to measure it'
    default: return words
  }
}

function result ({ attempt }: Line, room: number): string {
  if (attempt.endedAt == null) {
    return paint('gray', fit('nothing so far', room))
  }
  const took = ms(attempt.endedAt - attempt.startedAt)
  switch (attempt.outcome) {
    case 'delivered': return paint('green', fit(`${bytes(attempt.bytes)} in ${took}, verified`, room))
    case 'invalid': return paint('red', fit(`wrong bytes (${took})`, room))
    case 'not-here': return paint('yellow', fit(`does not have it (${took})`, room))
    case 'stalled': return paint('red', fit(`silence, left at ${took}`, room))
    case 'cancelled': return paint('gray', fit(`beaten, cut at ${took}`, room))
    default: return paint('red', fit(`${attempt.outcome ?? 'ended'} (${took})`, room))
  }
}

/** A line of `stats().providers` */
interface Standing {
  readonly id: string
  readonly delivered: number
  readonly conduct: number
  readonly standing: string
  readonly breaker: string
}

/** Who did what, and what the node thinks of them now */
export function printSummary (scene: Scene, { tally }: Account, routing: HeliaContentRouting): void {
  const { providers } = routing.stats() as { providers: readonly Standing[] }
  const header = ['provider', 'asked', 'delivered', 'lacked', 'wrong', 'silence', 'cut', 'bytes', 'conduct', 'verdict']
  const rows = scene.actors.map(({ name, provider }) => {
    const entry = tally.get(name)
    const count = (outcome: string): string => dash(entry?.outcomes.get(outcome))
    const known = providers.find(({ id }) => id === `http:${new URL(provider.url).host}`)
    return [name, dash(entry?.asked), dash(entry?.delivered), count('not-here'), count('invalid'), count('stalled'), count('cancelled'), entry == null || entry.bytes === 0 ? '-' : bytes(entry.bytes), known == null ? '-' : signed(known.conduct), verdict(known)]
  })
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]?.length ?? 0)))
  const gap = widths.reduce((sum, w) => sum + w, 0) + 2 * widths.length > width() ? ' ' : '  '
  const line = (cells: readonly string[]): string => '  ' + cells.map((cell, i) => pad(cell, widths[i] ?? 0, i === 0 || i === cells.length - 1 ? 'right' : 'left')).join(gap).trimEnd()

  print(paint('dim', line(header)))
  for (const row of rows) {
    print(line(row).replace(/(banned|warned|backing off|doubtful)$/, word => paint(word === 'banned' ? 'red' : 'yellow', word)))
  }
}

function verdict (known: Standing | undefined): string {
  if (known == null) {
    return 'unknown'
  }
  if (known.standing !== 'good') {
    return known.standing
  }
  if (known.breaker !== 'closed') {
    return 'backing off'
  }
  return known.conduct < 0 ? 'doubtful' : known.delivered === 0 ? 'unproven' : 'fine'
}

function dash (n: number | undefined): string {
  return n == null || n === 0 ? '-' : `${n}`
}

function signed (n: number): string {
  const rounded = Math.round(n)
  return rounded > 0 ? `+${rounded}` : `${rounded}`
}
