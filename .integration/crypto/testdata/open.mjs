// Opens messages and envelopes with Node's own crypto, written from crypto/SPEC.md alone.
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'

const cat = Buffer.concat, text = s => Buffer.from(s), empty = Buffer.alloc(0)
const hmac = (hash, key, ...parts) => createHmac(hash, key).update(cat(parts)).digest()
const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b)
const demand = (ok, failure) => { if (!ok) throw new Error(failure) }

function expand(key, info, n) { // RFC 5869, section 2.3
  let out = empty
  for (let i = 1, block = empty; out.length < n; i++) out = cat([out, block = hmac('sha512', key, block, info, Buffer.of(i))])
  return out.subarray(0, n)
}
const derive = (key, use, n) => expand(key, text('github.com/pavise/pavise/crypto/' + use), n)

function gcm(key, nonce, sealed, additional, failure) {
  demand(sealed.length >= 16, failure)
  const d = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(additional).setAuthTag(sealed.subarray(-16))
  const out = d.update(sealed.subarray(0, -16))
  try { d.final() } catch { throw new Error(failure) }
  return out
}

function cobblestone(input, b, context) {
  demand(b.length >= 72, 'payload')
  const okm = expand(input, cat([text('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0'), b.subarray(0, 24), context]), 76)
  demand(equal(okm.subarray(44), b.subarray(24, 56)), 'commitment')
  for (let i = 0, at = 56, out = []; ; i++, at += 16400) {
    const nonce = Buffer.from(okm.subarray(32, 44)), chunk = b.subarray(at, at + 16400)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ i) >>> 0, 8) // a Buffer holds fewer than 2^32 chunks
    out.push(gcm(okm.subarray(0, 32), nonce, chunk, empty, 'payload'))
    if (chunk.length < 16400) return cat(out)
  }
}

function xaes(key, b, additional, failure) {
  demand(b.length >= 40, failure)
  const aes = block => createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block)
  const l = BigInt('0x' + aes(Buffer.alloc(16)).toString('hex'))
  const k1 = BigInt.asUintN(128, l << 1n) ^ (l >> 127n) * 0x87n
  const half = i => BigInt('0x' + cat([Buffer.of(0, i, 0x58, 0), b.subarray(0, 12)]).toString('hex')) ^ k1
  const subkey = [1, 2].map(i => aes(Buffer.from(half(i).toString(16).padStart(32, '0'), 'hex')))
  return gcm(cat(subkey), b.subarray(12, 24), b.subarray(24), additional, failure)
}

function encode({ purpose, parts = [] }) {
  const field = s => cat([u32(text(s).length), text(s)])
  const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b }
  return cat([Buffer.of(parts.length ? 1 : 2), ...[purpose, ...parts].map(field)])
}

const find = (keys, id) => keys.find(key => derive(key, 'keyid/v1', 4).equals(id))

export function openMessage(keys, b, binding) {
  demand(b.length >= 6 && b[0] === 2 && b[1] === 1, 'format')
  const key = find(keys, b.subarray(2, 6))
  demand(key, 'key')
  return cobblestone(derive(key, 'seal/v1', 32), b.subarray(6), cat([b.subarray(0, 6), encode(binding)]))
}

export function openCompact(keys, b, binding) {
  demand(b.length >= 5 && b[0] === 1, 'format')
  const key = find(keys, b.subarray(1, 5))
  demand(key, 'key')
  return xaes(derive(key, 'compact/v1', 32), b.subarray(5), encode(binding), 'payload')
}

function unwrap(keys, b, label) {
  const key = b.length === 77 && b[0] === 1 && find(keys, b.subarray(1, 5))
  demand(key, 'unwrap')
  return xaes(derive(key, 'kek/v1', 32), b.subarray(5), cat([b.subarray(0, 5), text(label)]), 'unwrap')
}

function recipients(b, n) {
  const all = []
  for (let at = 0; all.length < n || at < b.length;) {
    demand(all.length < n && at + 2 <= b.length, 'format')
    const kind = b[at], idEnd = at + 2 + b[at + 1], id = b.toString('latin1', at + 2, idEnd)
    demand(kind >= 1 && kind <= 3 && id && idEnd + 2 <= b.length, 'format')
    at = idEnd + 2 + b.readUInt16BE(idEnd)
    const wrapped = b.subarray(idEnd + 2, at)
    demand(at <= b.length && wrapped.length >= 1 && wrapped.length <= 8192 && !all.some(r => r.id === id), 'format')
    all.push({ kind, id, wrapped })
  }
  demand(!(all.some(r => r.kind === 2) && all.some(r => r.kind === 3)), 'format')
  return all
}

export function openEnvelope(keys, label, b, binding) {
  demand(b.length >= 6 && b[0] === 3 && (b[1] === 1 || b[1] === 2) && b[2] === 0 && b[3] >= 1 && b[3] <= 32, 'format')
  const length = b.readUInt16BE(4), end = length - 32
  demand(length >= 38 && length <= b.length, 'format')
  const ours = recipients(b.subarray(6, end), b[3]).find(r => r.kind === 1 && r.id === 'keyring')
  demand(ours, 'recipient')
  const dek = unwrap(keys, ours.wrapped, label)
  demand(dek.length === 32 && equal(hmac('sha256', derive(dek, 'hdr/v1', 32), b.subarray(0, end)), b.subarray(end, length)), 'header')
  const key = derive(dek, 'payload/v1', 32), context = cat([b.subarray(0, 2), encode(binding)])
  return b[1] === 1 ? cobblestone(key, b.subarray(length), context) : xaes(key, b.subarray(length), context, 'payload')
}
