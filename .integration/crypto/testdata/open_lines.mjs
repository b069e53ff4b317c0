// Opens what each line of its input describes, and writes a line for each:
// {"format", "keys", "binding", "label", "ciphertext"}, byte strings in base64, label for an envelope only,
// to {"sha256", "length"} of the plaintext or {"failure"}.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { openCompact, openEnvelope, openMessage } from './open.mjs'

const formats = {
  message: j => openMessage(j.keys, j.ciphertext, j.binding),
  compact: j => openCompact(j.keys, j.ciphertext, j.binding),
  envelope: j => openEnvelope(j.keys, j.label, j.ciphertext, j.binding)
}
const decode = s => Buffer.from(s, 'base64')

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line)
  console.log(JSON.stringify(open({ ...job, keys: job.keys.map(decode), ciphertext: decode(job.ciphertext) })))
}

function open(job) {
  try {
    const plaintext = formats[job.format](job)
    return { length: plaintext.length, sha256: createHash('sha256').update(plaintext).digest('base64') }
  } catch (e) {
    return { failure: e.message }
  }
}
