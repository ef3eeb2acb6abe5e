/** A fenced `ts` block of a page */
export interface Snippet {
  readonly page: string
  /** Of the fence, from 1 */
  readonly line: number
  readonly code: string
  /** Marked ` ```ts run `: must also run and exit with 0 */
  readonly run: boolean
}

const FENCE = /^(`{3,}|~{3,})\s*(\S*)[^\S\n]*(.*)$/

/**
 * The TypeScript blocks of a Markdown page. Words after the language say more:
 * `run`, and `continues` for a block that goes on where the one before ended
 * (the two are checked as one file).
 */
export function markdownSnippets (page: string, markdown: string): Snippet[] {
  const snippets: Array<{ -readonly [K in keyof Snippet]: Snippet[K] }> = []
  let fence: { mark: string, language: string, words: string[], line: number, code: string[] } | undefined

  for (const [index, text] of markdown.split('\n').entries()) {
    if (fence != null) {
      if (text.trimEnd() === fence.mark) {
        add(fence)
        fence = undefined
      } else {
        fence.code.push(text)
      }
      continue
    }

    const [, mark, language = '', words = ''] = FENCE.exec(text) ?? []
    if (mark != null) {
      fence = { mark, language, words: words.split(/\s+/).filter(word => word !== ''), line: index + 1, code: [] }
    }
  }

  if (fence != null) {
    throw new Error(`${page}:${fence.line} the block never ends`)
  }
  return snippets

  function add ({ language, words, line, code }: NonNullable<typeof fence>): void {
    if (language !== 'ts' && language !== 'typescript') {
      return
    }

    const unknown = words.filter(word => word !== 'run' && word !== 'continues')
    if (unknown.length > 0) {
      throw new Error(`${page}:${line} "${unknown.join(' ')}" is neither run nor continues`)
    }

    const run = words.includes('run')
    const previous = snippets.at(-1)

    if (!words.includes('continues')) {
      snippets.push({ page, line, run, code: code.join('\n') })
    } else if (previous == null) {
      throw new Error(`${page}:${line} continues, but nothing comes before it`)
    } else {
      previous.code += `\n${code.join('\n')}`
      previous.run ||= run
    }
  }
}

/** The doc comments of a source file as a Markdown page with the same line numbers */
export function commentsAsMarkdown (source: string): string {
  let inside = false

  return source.split('\n').map(line => {
    const starts = !inside && /^\s*\/\*\*/.test(line)
    inside ||= starts
    if (!inside) {
      return ''
    }
    inside = !line.includes('*/')
    return starts ? '' : line.replace(/^\s*\*\/?[ ]?/, '')
  }).join('\n')
}
