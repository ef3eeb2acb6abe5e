import { describe, expect, it } from 'vitest'
import { plot } from '../../../bench/cache/plot.ts'
import type { Curve, Panel } from '../../../bench/cache/plot.ts'

function curve (share: number, percent: number): Curve {
  return { share, objects: { LRU: percent, SIEVE: percent, 'S3-FIFO': percent, GDSF: percent, ours: percent + 1 }, optimum: percent + 2 }
}

const panel: Panel = { title: 'a < b & c', curves: [curve(0.01, 0), curve(0.1, 10), curve(0.5, 38)] }

describe('the picture of hit ratios', () => {
  it('is the same for the same figures', () => {
    expect(plot([panel, panel])).toBe(plot([panel, panel]))
    expect(plot([panel])).not.toBe(plot([{ ...panel, curves: panel.curves.slice(1) }]))
  })

  it('has a panel for each workload and a line for each policy, named in the legend', () => {
    const svg = plot([panel, panel, panel, panel, panel])
    expect(svg.match(/class="title"/g)).toHaveLength(5)
    expect(svg.match(/<path class="line [a-z0-9]+" d="M[^h]*"\/>/g)).toHaveLength(5 * 6)
    for (const name of ['Portolan', 'GDSF', 'S3-FIFO', 'SIEVE', 'LRU', 'optimum']) {
      expect(svg).toContain(`>${name}</text>`)
    }
    expect(svg).toContain('>a &lt; b &amp; c</text>')
  })

  it('goes from the smallest size at the left to the largest at the right, from nothing at the bottom to a round number at the top', () => {
    const line = /class="line optimum" d="(M[^"]*L[^"]*)"/.exec(plot([panel]))?.[1] ?? ''
    const points = [...line.matchAll(/([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)])
    // 2 %, 12 % and 40 % of 40, in a panel that is 118 high and begins at 28, 186 wide and begins at 34
    expect(points.map(([, y]) => y)).toEqual([140.1, 110.6, 28])
    expect(points.map(([x]) => x)).toEqual([34, 143.5, 220])
  })

  it('draws what there is: no panel, one size', () => {
    for (const svg of [plot([]), plot([{ title: 'one', curves: [curve(0.1, 50)] }])]) {
      expect(svg).not.toMatch(/NaN|Infinity|undefined/)
      expect(svg.endsWith('</svg>\n')).toBe(true)
    }
  })
})
