// Package crypto encrypts data so that it can be stored anywhere: one call, no
// nonce, no mode and no algorithm to choose, bound to what it belongs to.
//
// Most users want a [Keyring] when this process holds the keys, and an [Envelope]
// when a key management service, a Vault, an HSM or several parties do. Some parties
// may only seal, to a post-quantum public key, see [HybridRecipient]. Both take a
// [Binding] with each message, and both rotate keys without losing old data. A
// [Compact] does what a Keyring does in 33 bytes less, without key commitment, and
// shares its messages and keysets with Tink.
//
// What does not fit into memory goes through the Writer, Reader and ReaderAt of a
// Keyring or an Envelope, in the same format: a stream opens with Open, and a message
// with Reader.
//
// # Security
//
// Everything is authenticated. A ciphertext that was altered, cut, extended, or moved
// to another Binding does not open. A Keyring message commits to its key: it opens to
// one plaintext under one key (128 bit), and so does an envelope. A Compact message
// does not.
//
// What it does not do: it hides neither the length of a plaintext nor which key
// sealed it (a message carries a 32-bit key id, an envelope the IDs of its KEKs); it
// does not notice that an old ciphertext was put back in the place of a newer one
// with an equal Binding; and Go cannot erase expanded key schedules from memory.
//
// A [Reader] and a [ReaderAt] release no byte that is not authentic and in its place. A
// stream that was cut short ends in [ErrOpen] and not in io.EOF, but what stood before
// the cut has been read by then.
//
// Limits: 2^45 messages of 1 GiB under one Key; a message under suite 01 is as long as
// memory allows, and one of a Compact or under suite 02 (XAES-256-GCM) at most 64 GiB (2^36 - 32 bytes).
//
// What [Envelope.SealFor] seals for a data subject is erased by [Envelope.Forget], which
// deletes one key from a [SubjectKeys] store: crypto-shredding. Its bound is stated
// there: caches elsewhere for [DEKCache].MaxAge, and backups of the store.
//
// Messages that an Envelope seals under one cached data key share it, for 5 minutes,
// 2^20 messages or 64 GiB by default, see [DEKCache] and [WithoutDEKCache].
//
// An Envelope authenticates its sender as far as its KEKs do: whoever can use one of
// its symmetric KEKs, or has opened the same message, can make an envelope with its
// data key. A public key authenticates nobody. [Envelope.RewrapHeader] does not revoke.
//
// # Formats
//
// SPEC.md in this folder says all that a second implementation needs, and
// testdata/vectors holds what it must open and refuse. In short:
//
// Integers are big-endian. The labels are HKDF-Expand-SHA-512 info strings,
// "github.com/pavise/pavise/crypto/" followed by keyid/v1, seal/v1, compact/v1, kek/v1,
// index/v1, hdr/v1 or payload/v1. A Key is used for derivation only: the key id is the first 4
// bytes under keyid, and the input key of messages is 32 bytes under seal, or under
// compact for those of a Compact. A message is
//
//	02 | 01 | key id (4) | Cobblestone-256
//
// where Cobblestone-256 is the format of https://c2sp.org/chunked-encryption, salt
// (24), commitment (32) and chunks, with the six bytes before it and the encoded
// Binding as its context. An encoded Binding is 01 for [Bind] or 02 for [Unbound],
// then purpose and parts, each after its length (4).
//
// A message of a Compact is XAES-256-GCM (https://c2sp.org/XAES-256-GCM: nonce (24),
// ciphertext, tag (16)) whose additional data is the encoded Binding alone, or what
// [TinkBinding] was given:
//
//	01 | key id (4) | XAES-256-GCM
//
// An envelope is a header, see below, and a payload: Cobblestone-256 for suite 01,
// XAES-256-GCM for suite 02. The payload key is 32 bytes under payload of the data
// key; context or additional data is 03, the suite and the encoded Binding.
//
//	03 | suite | flags = 0 | n | header length (2) | n recipients | HMAC-SHA-256 (32)
//	recipient: kind | length | id | length (2) | wrapped data key
//
// The header length counts the whole header. The kind is 1 for a symmetric KEK, 2 for
// a public key, 3 for a post-quantum one and 4 for the key of a subject. The HMAC is over all before it, its key
// 32 bytes under hdr of the data key. Refused before any KEK is called: n outside
// 1 to 32, ids outside 1 to 255 bytes, wrapped keys outside 1 to 8,192 bytes, a header
// over 65,535 bytes or with bytes left over, unknown suites, kinds and flags, equal
// ids, kind 2 beside kind 3, and kind 4 beside another or with an id of other than 16
// bytes. A reader finds a KEK of its own by kind and id, and
// calls no other.
//
// Wrapped keys are the KEK's own matter; those of [KeyringKEK] are XAES-256-GCM under
// 32 bytes that are derived under kek. Those for a hybrid key are HPKE in base mode
// (RFC 9180) with HKDF-SHA-512 and AES-256-GCM, after the byte 01.
// The key of a subject stands in the store, as an
// envelope for the KEKs; a data key wrapped by it is XAES-256-GCM with the id and the
// envelope's label as additional data.
//
// # FIPS 140-3
//
// Runs under enforcement, GODEBUG=fips140=only:
//
//	                                    opens   seals
//	Keyring                             yes     refuses with ErrFIPS
//	Keyring.SkipFIPSNonceEnforcement    yes     yes
//	LiveKeyring                         yes     refuses with ErrFIPS
//	Compact                             yes     yes
//	Envelope                            yes     refuses with ErrFIPS
//	Envelope, SkipFIPSNonceEnforcement  yes     yes
//	Envelope, WithXAES                  yes     yes; has no streams
//	KeyringKEK                          yes     yes
//	HybridRecipient                     -       yes; not with v1.0.0 of the Go Cryptographic Module
//	HybridIdentity                      yes     yes; neither with v1.0.0
//	crypto/column                       yes     yes; with an Envelope as that one
//
// A Writer, Reader, ReaderAt and SealFor do as their Keyring or Envelope. A KEK of
// another process, such as one of crypto/vaultkek, runs too: what it wraps with is the
// matter of that process. crypto/password runs, though argon2id is not an approved
// algorithm.
//
// With v1.0.0 of the module, built with GOFIPS140=v1.0.0, hybrid keys refuse
// with an error that says so; v1.26.0 and later have what crypto/hpke needs. X25519 is
// not an approved algorithm, ML-KEM beside it is.
//
// # Errors
//
// [ErrOpen] for whatever does not open, without a reason. [ErrFIPS] as above. One that
// wraps [secrets.ErrStale] from a [LiveKeyring] whose keys are stale. A
// [*KEKError] when a KEK fails or panics, whose cause is the KEK's own error. The error
// of a [SubjectKeys] store, wrapped. The error of an
// underlying reader or writer, wrapped; io/fs.ErrClosed after Close. Any other error is
// a mistake of the caller (a zero Binding, a mistyped key, a keyset that [ImportTink]
// cannot use) and says what to change. No error holds a key, a plaintext or a rejected
// value.
//
// # Events
//
// An Envelope made [WithLogger] emits, with event.action, event.outcome and, for a
// failure, event.reason:
//
//	kek-wrap, kek-unwrap   each call of a KEK, with kek.id and event.duration in ns;
//	                       none for a cached data key
//	envelope-open          failure only: an envelope did not open
//	envelope-rewrap        each call of Envelope.RewrapHeader and RewrapSubject
//	envelope-forget        each call of Envelope.Forget; the subject is not named
//
// # Performance
//
// Sealing costs one key derivation (HKDF over SHA-512) and AES-256-GCM; three
// allocations, or two into a dst of sufficient capacity; a Compact makes one more, in
// about half the time for a short message. All of them are made once and shared: making
// one derives its keys.
//
// An envelope of a cached data key costs about a tenth more than a message of a Keyring,
// one allocation more to open, and no call of a KEK.
//
// From 1 MiB on, as many cores as GOMAXPROCS seal and open one message, a stream that is
// read with large buffers or io.Copy, and one that is written with 1 MiB a call or
// io.Copy; see [Keyring.WithWorkers] and [WithWorkers]. Reading, sealing or opening, and
// writing then go on at one time: the source is read and the destination written by other
// goroutines, one at a time each. None outlives the call, which therefore waits for a
// read that it has begun, also when a write fails, and panics with what one of them
// panicked with.
// A stream holds one chunk of 16 KiB, from the ninth on eight, and after 1 MiB, on
// several cores, 128 KiB for each of them and two more, or 1 MiB for each while it is
// read with large buffers; sealed and opened, that is twice as much.
package crypto
