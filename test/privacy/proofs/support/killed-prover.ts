/** Is killed in the middle of its work, as by a machine that has no memory left */
import process from 'node:process'

process.once('message', () => { process.kill(process.pid, 'SIGKILL') })
