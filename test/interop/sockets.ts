import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

const TABLES = ['tcp', 'tcp6', 'udp', 'udp6']
/** Addresses as the kernel prints them: 32 bits at a time, in the machine's byte order */
const LOOPBACK = [/^[0-9A-F]{6}7F$/, /^0{24}01000000$/, /^0{16}FFFF0000[0-9A-F]{6}7F$/]
const ANY = /^0+$/

/**
 * The internet sockets of a process by the kernel's own tables, and those of
 * them that are not bound to loopback or are connected elsewhere. Linux only.
 */
export async function foreignSockets (pid: number): Promise<{ total: number, foreign: string[] }> {
  const own = new Set<string>()
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(await link(join(`/proc/${pid}/fd`, fd)))?.[1]
    if (inode != null) {
      own.add(inode)
    }
  }

  let total = 0
  const foreign: string[] = []
  for (const table of TABLES) {
    for (const line of (await readFile(`/proc/${pid}/net/${table}`, 'utf8')).split('\n').slice(1)) {
      const [, local = '', remote = '', , , , , , , inode = ''] = line.trim().split(/\s+/)
      if (!own.has(inode)) {
        continue
      }
      total++
      const from = local.split(':')[0] ?? ''
      const to = remote.split(':')[0] ?? ''
      if (!LOOPBACK.some(form => form.test(from)) || !(ANY.test(to) || LOOPBACK.some(form => form.test(to)))) {
        foreign.push(`${table} ${local} ${remote}`)
      }
    }
  }
  return { total, foreign }
}

/** A descriptor may be closed between the listing and the look */
async function link (path: string): Promise<string> {
  try {
    return await readlink(path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') {
      return ''
    }
    throw err
  }
}
