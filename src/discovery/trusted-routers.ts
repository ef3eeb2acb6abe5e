import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'

/**
 * Which of a node's own routers a mode leaves out: in `strict` all that were not
 * named as trusted, in `balanced` those of them that are of last resort, gateways
 * that may have everything. Undefined where none is.
 *
 * @param trusted - names of those that are asked in every mode
 */
export function routersLeftOut (mode: PrivacyMode, trusted: ReadonlySet<string>): ((router: string, isFallback: boolean) => boolean) | undefined {
  const { nodeRouters, fallbackRouters } = PRIVACY_PRESETS[mode]

  if (nodeRouters === 'trusted') {
    return router => !trusted.has(router)
  }
  return fallbackRouters === 'trusted' ? (router, isFallback) => isFallback && !trusted.has(router) : undefined
}

/** Whether whoever is asked must be one that was named: then it has to be seen who is */
export function onlyTrusted (mode: PrivacyMode): boolean {
  return PRIVACY_PRESETS[mode].nodeRouters === 'trusted'
}
