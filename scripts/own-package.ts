/**
 * Lets snippets import this package by its name without a build:
 * `node --import ./scripts/own-package.ts FILE`
 */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { ownEntries } from './own-entries.ts'

const entries = ownEntries()

registerHooks({
  resolve (specifier, context, next) {
    const path = entries[specifier]
    return path == null ? next(specifier, context) : { url: pathToFileURL(path).href, shortCircuit: true }
  }
})
