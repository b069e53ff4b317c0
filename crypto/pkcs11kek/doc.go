// Package pkcs11kek is a key-encryption key in a PKCS #11 token, such as an HSM, for the
// Envelope of package crypto. It needs cgo and the module, a shared library, that comes
// with the token; without cgo it compiles, and [New] returns an error.
//
// Most users call [New] once at start and give the KEK to crypto.NewEnvelope.
//
// The key is made in the token and never leaves it:
//
//	pkcs11-tool --module MODULE --token-label notes --login --keygen --key-type AES:32 \
//	    --label kek-2026 --id 01 --sensitive --private --usage-decrypt
//
// [New] checks what that sets: CKA_CLASS CKO_SECRET_KEY, CKA_KEY_TYPE CKK_AES of 32
// bytes, CKA_TOKEN, CKA_SENSITIVE and CKA_PRIVATE true, CKA_EXTRACTABLE false,
// CKA_DECRYPT true and, of the newest, CKA_ENCRYPT.
//
// # Least privilege
//
// The service logs in as the normal user (CKU_USER), never as the security officer, and
// opens read-only sessions: it makes, changes and destroys no object. Give it a token or
// partition of its own with its KEKs and nothing else, since a PIN is good for all that is
// in a token. Where the token has them, set CKA_ALLOWED_MECHANISMS to CKM_AES_GCM, and
// CKA_WRAP, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN and CKA_MODIFIABLE to false. An old key needs
// CKA_DECRYPT only.
//
// # Format
//
// A wrapped data key is 65 bytes long:
//
//	01 | key id (4) | AES-256-GCM (CKM_AES_GCM): IV (12), encrypted data key (32), tag (16)
//
// The additional data is the five bytes before the IV, then the label. The key id is the
// start of the SHA-256 digest of "github.com/pavise/pavise/crypto/pkcs11kek/keyid/v1", a
// zero byte, and 01 and the CKA_ID, or 02 and the CKA_LABEL of a key without one: what
// names a key must stay as it is for as long as anything is wrapped by it.
//
// # Security
//
// The label of the Envelope is authenticated: a data key that was wrapped for one
// purpose does not unwrap for another. The IV is 96 bits from crypto/rand, so one key is
// good for 2^32 data keys (NIST SP 800-38D section 8.3), which the data key cache of an
// Envelope makes unreachable: rotate before, all the same. [WithTokenIV] leaves it to the
// token.
//
// A PIN that was refused is never sent again by a KEK, one login is tried at a time, and
// none if the token says that one more wrong PIN locks it. A service that is restarted
// in a loop with a wrong PIN does send it each time.
//
// What it does not do: whoever has the PIN and the token, or reads the memory of this
// process, unwraps what this service can. The PIN and buffers with data keys are wiped,
// but copies of the module and of the C heap are out of reach. The module runs in this
// process: load none that you do not trust. Rotating protects what is wrapped later; old
// wrapped keys open until they are rewrapped and the old key is destroyed.
//
// # Outages
//
// A call holds one of [WithSessions] sessions, and waits for one as long as its context
// lasts. PKCS #11 cannot be interrupted: a call whose context ends returns, and what it
// began keeps its session until the module answers. An attempt takes at most a third of
// the time of its call ([WithTimeout]). Whatever may pass, such as CKR_DEVICE_REMOVED,
// CKR_SESSION_HANDLE_INVALID or CKR_USER_NOT_LOGGED_IN, is tried again, four times in all,
// after delays that double from 50 ms, half of each random, in a new session with a new
// login. If none can be opened, the module is finalized and initialized, unless somebody
// else initialized it or a call is in it. Five failures in a row open the circuit
// breaker: calls fail at once for 5 seconds, then one of them probes.
//
// All KEKs of a process share a module, which the last one to be closed finalizes. Other
// code that uses the same module in this process should initialize it first: then it is
// left to them.
//
// # Errors
//
// [ErrUnwrap], without a reason, for what does not unwrap. Otherwise an [*Error] that
// wraps [ErrDenied], [ErrUnavailable], [ErrRefused], or the error of the caller's
// context. Any other error is a mistake of the caller.
//
// # Events
//
// A KEK made [WithLogger] emits, with event.action, event.outcome, kek.id and, for a
// failure, event.reason; the Envelope has those of wrapping and unwrapping:
//
//	pkcs11-login           each login
//	pkcs11-breaker-open    failure: the token does not answer
//	pkcs11-breaker-close   it answers again
//
// # Performance
//
// Wrap and Unwrap are one operation of the token in a kept session. What does not
// unwrap costs up to four, since many tokens have one code for a wrong tag and for a
// failure of their own.
package pkcs11kek
