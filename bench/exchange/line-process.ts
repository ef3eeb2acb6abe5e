/**
 * Lines of limited pace, each a TCP proxy before somebody's port, in a process
 * of their own: what paces bytes must not wait for whoever is measured. Use it
 * through `limitedLines`.
 */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface LineInit {
  /** On loopback */
  readonly ports: readonly number[]
  /** Towards whoever dials, of each line */
  readonly bytesPerSecond: number
}

/** Milliseconds of the line's pace that may pass at once: a switch has such a buffer, and timers are no finer */
const BURST = 5

/** Bytes that have passed each line towards whoever dialled */
const passed: number[] = []
const { ports, bytesPerSecond } = JSON.parse(process.argv[2] ?? '') as LineInit

/** One pace for all connections over the line; `from` is not read while it owes time */
function pacer (line: number): (from: Socket, to: Socket) => void {
  let free = 0

  return (from, to) => {
    from.on('data', (bytes: Buffer) => {
      const now = performance.now()
      free = Math.max(free, now - BURST) + bytes.byteLength / bytesPerSecond * 1_000
      passed[line] = (passed[line] ?? 0) + bytes.byteLength
      const taken = to.write(bytes)

      if (free > now || !taken) {
        from.pause()
        const goOn = (): void => { from.resume() }
        const wait = Math.max(0, free - now)
        setTimeout(() => { to.writableNeedDrain ? to.once('drain', goOn) : goOn() }, wait)
      }
    })
  }
}

async function listen (port: number, line: number): Promise<number> {
  const pace = pacer(line)
  const server = createServer({ noDelay: true }, near => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    pace(far, near)
    near.pipe(far)
    far.once('end', () => { near.end() })
    // when one side is gone so is the other
    for (const [side, other] of [[near, far], [far, near]] as const) {
      side.once('error', () => { other.destroy() })
      side.once('close', () => { other.destroy() })
    }
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return (server.address() as AddressInfo).port
}

process.once('disconnect', () => { process.exit() })
process.on('message', () => { process.send?.(passed) })
process.send?.(await Promise.all(ports.map(listen)))
