import { describe, expect, it } from 'vitest'
import { commentsAsMarkdown, markdownSnippets } from '../../scripts/markdown-snippets.ts'

describe('snippets of a page', () => {
  it('are its ts blocks, with their lines', () => {
    const page = 'text\n```ts\na\nb\n```\n```sh\nc\n```\n~~~ts run\nd\n~~~\n'
    expect(markdownSnippets('x.md', page)).toEqual([
      { page: 'x.md', line: 2, run: false, code: 'a\nb' },
      { page: 'x.md', line: 9, run: true, code: 'd' }
    ])
  })

  it('go on where the one before ended', () => {
    expect(markdownSnippets('x.md', '```ts\na\n```\n```ts continues run\nb\n```\n')).toEqual([
      { page: 'x.md', line: 1, run: true, code: 'a\nb' }
    ])
  })

  it('keep a fence of another kind as their text', () => {
    expect(markdownSnippets('x.md', '````ts\n```\n````\n')[0]?.code).toBe('```')
  })

  it.each([
    ['a word that means nothing', '```ts ignore\na\n```\n', /neither run nor continues/],
    ['nothing to continue', '```ts continues\na\n```\n', /nothing comes before/],
    ['a block without an end', '```ts\na\n', /never ends/]
  ])('refuse %s', (_, page, message) => {
    expect(() => markdownSnippets('x.md', page)).toThrow(message)
  })
})

describe('doc comments', () => {
  it('become a page with the same lines', () => {
    const source = '/** one line */\nconst a = `\n```ts\n`\n  /**\n   * text\n   * ```ts\n   *   b\n   * ```\n   */\ncode()\n'
    expect(commentsAsMarkdown(source).split('\n')).toEqual(['', '', '', '', '', 'text', '```ts', '  b', '```', '', '', ''])
    expect(markdownSnippets('a.ts', commentsAsMarkdown(source))).toEqual([{ page: 'a.ts', line: 7, run: false, code: '  b' }])
  })
})
