/** What the shell gets: part of the interface, documented in docs/command-line.md */
export const EXIT_OK = 0
/** It could not be done: not found, timed out, port taken, file not writable */
export const EXIT_FAILURE = 1
/** The command line or the configuration is wrong; nothing was tried */
export const EXIT_USAGE = 2
/** 128 plus the number of the signal, as shells count */
export const EXIT_SIGINT = 130
export const EXIT_SIGTERM = 143

/** The command line makes no sense; the message says what would */
export class UsageError extends Error {
  static override name = 'UsageError'
  override name = 'UsageError'
}
