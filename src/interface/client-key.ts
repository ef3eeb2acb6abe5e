/**
 * Whom an address belongs to: itself for IPv4, its /64 for IPv6, of which
 * everybody has 2^64 addresses to come from.
 */
export function clientKey (address: string | undefined): string {
  const text = (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

  if (!text.includes(':')) {
    return text
  }
  const [head = '', tail = ''] = text.split('::')
  const [before, after] = [groups(head), groups(tail)]
  const all = text.includes('::') ? [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after] : before

  return `${all.slice(0, 4).join(':')}::/64`
}

function groups (text: string): string[] {
  return text === '' ? [] : text.split(':').map(group => group.toLowerCase().replace(/^0+(?=.)/, ''))
}
