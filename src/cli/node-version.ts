/** What Helia 7 needs */
export const MIN_NODE = [22, 19] as const

/** Why this version of Node cannot run the program; undefined when it can */
export function nodeVersionProblem (version: string): string | undefined {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const enough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])

  return enough ? undefined : `portolan needs Node.js ${MIN_NODE.join('.')} or newer, this is ${version}; in a clone of the repository, npm start brings a Node.js of its own`
}
