/** Takes the order, and then does nothing more, whatever it is told */
import process from 'node:process'

process.on('message', () => {})
process.on('disconnect', () => {})
process.on('SIGTERM', () => {})
setInterval(() => {}, 1000)
