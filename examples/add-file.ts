/**
 * Puts a file into the store of a node and prints its CID, which is what others
 * ask for. One process at a time has a store: start `portolan serve` on it
 * afterwards, and `portolan announce CID` tells its DHT.
 *
 *     node examples/add-file.ts ./store chart.txt
 *
 * Without arguments it is this file, in a store that is gone afterwards.
 */
import { readFile } from 'node:fs/promises'
import { createPortolan, getFilesystem } from '../src/index.ts'

const [store = 'memory', file = import.meta.filename] = process.argv.slice(2)

const bytes = await readFile(file)
const node = await createPortolan({ store })
try {
  console.log(String(await getFilesystem(node.helia).addBytes(bytes)))
} finally {
  await node.stop()
}
