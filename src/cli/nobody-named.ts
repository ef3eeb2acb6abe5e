import { NOBODY_ASKED } from '../routing/verdict.ts'

/** What to do about a read that had nobody to ask, by this process or by the node that runs; undefined for any other end of it */
export function whomToName (message: string): string | undefined {
  return message.includes(NOBODY_ASKED)
    ? 'name whom to ask: --provider URL, --router URL or --bootstrap MULTIADDR, here or where portolan serve is started'
    : undefined
}
