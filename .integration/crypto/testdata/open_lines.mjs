// Opens what each line of its input describes, and writes a line for each:
// {"keys", "binding", "label", "ciphertext"}, byte strings in base64, label for an envelope only,
// to {"sha256", "length"} of the plaintext or {"failure"}.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { openEnvelope, openMessage } from './open.mjs'

for await (const line of createInterface({ input: process.stdin })) {
  const { keys, label, binding, ciphertext } = JSON.parse(line)
  console.log(JSON.stringify(open(keys.map(decode), label, decode(ciphertext), binding)))
}

function open(keys, label, ciphertext, binding) {
  try {
    const plaintext = label === undefined ? openMessage(keys, ciphertext, binding) : openEnvelope(keys, label, ciphertext, binding)
    return { length: plaintext.length, sha256: createHash('sha256').update(plaintext).digest('base64') }
  } catch (e) {
    return { failure: e.message }
  }
}

function decode(s) { return Buffer.from(s, 'base64') }
