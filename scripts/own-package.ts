/**
 * Lets snippets import this package by its name without a build:
 * `node --import ./scripts/own-package.ts FILE`
 */
import { registerHooks } from 'node:module'

const ENTRIES: Readonly<Record<string, string>> = {
  portolan: new URL('../src/index.ts', import.meta.url).href,
  'portolan/privacy': new URL('../src/index.privacy.ts', import.meta.url).href,
  'portolan/testing': new URL('../src/testing/index.ts', import.meta.url).href
}

registerHooks({
  resolve (specifier, context, next) {
    const url = ENTRIES[specifier]
    return url == null ? next(specifier, context) : { url, shortCircuit: true }
  }
})
