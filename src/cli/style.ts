import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]
type Paint = (format: Format, text: string) => string

/** Colours only where somebody sees them and did not ask for none (https://no-color.org) */
export function painter (stream: { isTTY?: boolean }, environment: Readonly<Record<string, string | undefined>>): Paint {
  const noColor = environment.NO_COLOR != null && environment.NO_COLOR !== ''
  return stream.isTTY === true && !noColor && environment.TERM !== 'dumb'
    ? (format, text) => styleText(format, text, { validateStream: false })
    : (_format, text) => text
}

const WORDS: ReadonlyArray<readonly [RegExp, Format]> = [
  [/\b(?:delivered|verified|was here already)\b/g, 'green'],
  [/\b(?:unreachable|overloaded|refused|stalled|invalid|failed|nobody has it|nobody was asked|out of time)\b/g, 'red'],
  [/\b(?:not-here|cancelled|hedge)\b/g, 'yellow']
]

/** A story with its outcomes coloured and its times dimmed */
export function paintStory (text: string, paint: Paint): string {
  return text.split('\n').map((line, i) => {
    const [, time = '', rest = ''] = /^(\s*[\d.]+ m?s {2})?(.*)$/s.exec(line) ?? []
    const words = WORDS.reduce((painted, [pattern, format]) => painted.replace(pattern, word => paint(format, word)), rest)
    return i === 0 ? paint('bold', words) : paint('dim', time) + words
  }).join('\n')
}
