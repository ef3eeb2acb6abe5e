import type { DisclosureEntry, Observer } from '../../interface/disclosure.ts'

/** Twice the longest name that is any: a peer id has 60 characters, a host name 253 */
export const MAX_TEXT = 512

/** Whether it may be kept as it is: names are written by others, and a table of them must stay small */
export function isBounded ({ observer, request, key, client, transport, purpose }: DisclosureEntry): boolean {
  return observer.length <= MAX_TEXT && request.length <= MAX_TEXT && transport.length <= MAX_TEXT && purpose.length <= MAX_TEXT && (key == null || key.length <= MAX_TEXT) && (client == null || client.length <= MAX_TEXT)
}

/** The same with short names; nothing of the long ones is held */
export function boundedEntry ({ observer, request, purpose, mode, client, key, form, transport, audience, at, state, cancelled }: DisclosureEntry): { -readonly [K in keyof DisclosureEntry]: DisclosureEntry[K] } {
  return {
    observer: shortened(observer) as Observer,
    request: shortened(request),
    purpose: shortened(purpose),
    mode,
    client: client == null ? undefined : shortened(client),
    key: key == null ? undefined : shortened(key),
    form,
    transport: shortened(transport),
    audience,
    at,
    state,
    cancelled
  }
}

function shortened (text: string): string {
  // a slice of a text would hold the whole of it
  return text.length <= MAX_TEXT ? text : `${[...text.slice(0, MAX_TEXT - 1)].join('')}…`
}
