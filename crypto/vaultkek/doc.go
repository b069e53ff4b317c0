// Package vaultkek is a key-encryption key in the Transit engine of HashiCorp Vault or
// OpenBao, for the Envelope of package crypto. It speaks the HTTP API over net/http and
// has no dependency.
//
// Most users call [New] with [Kubernetes] or [AppRole], then [KEK.Check] once at start,
// and give the KEK to crypto.NewEnvelope. [Token] serves those who have a Vault Agent.
//
// The Transit key has the default type, aes256-gcm96, or aes128-gcm96 or
// chacha20-poly1305, of Vault 1.13 or later or any OpenBao. An older Vault ignores the label,
// which [KEK.Check] finds:
//
//	vault secrets enable transit
//	vault write -f transit/keys/notes
//
// # Policy
//
// What the token has to be allowed, and nothing else; a service that only seals, or
// only opens, leaves the other line out:
//
//	path "transit/encrypt/notes" { capabilities = ["update"] }
//	path "transit/decrypt/notes" { capabilities = ["update"] }
//	path "transit/keys/notes"    { capabilities = ["read"] }   # for KEK.Check
//	path "auth/token/renew-self"  { capabilities = ["update"] } # in the default policy
//	path "auth/token/lookup-self" { capabilities = ["read"] }   # for Token; in the default policy
//
// Never "create" on encrypt: Vault makes a key of a mistyped name then. The key never
// needs to be exportable, and deletion_allowed stays off.
//
// # Security
//
// The label of the Envelope is authenticated as Transit's associated_data: a data key
// that was wrapped for one purpose does not unwrap for another. A derived key gets the
// label as its context too. Only [KEK.Check] sees whether this Vault does so. An audit device of Vault stores labels hashed, unless it is
// set to log raw.
//
// The server is verified against the system's roots or [WithRootCAs], over TLS 1.3.
// Redirects are refused, answers end at 64 KiB, and names of mounts and keys that could
// leave their path are refused by New. What Vault answers is never quoted.
//
// What it does not do: whoever has a token of the policy, or reads the memory of this
// process, unwraps what this service can. Buffers with data keys are wiped, but copies
// of net/http, crypto/tls and encoding/json, and the strings of tokens in headers, are
// out of reach. Rotating the Transit key protects what is wrapped later; old wrapped
// keys open until they are rewrapped and min_decryption_version is raised.
//
// # Tokens
//
// The first call logs in; concurrent calls share one login. A call that finds the token
// past 60 to 75 % of its TTL renews it, while the others go on with it; when Vault grants
// no more than half of the first TTL, the max TTL is near and it logs in anew. There is
// no goroutine: a service that was idle beyond the TTL logs in at its next call. A 403
// leads to one new login, unless the token is less than 10 seconds old. A credential
// that was refused is not sent again for 10 seconds.
//
// # Outages
//
// An attempt takes at most a third of the time of its call ([WithTimeout]). Statuses
// 307, 408, 412, 429, 472, 473 and 5xx and broken connections are tried again, four times in all, after
// delays that double from 50 ms, half of each random, and after what Retry-After
// asks for; a call that cannot wait so long fails at once. Five failures in a row open
// the circuit breaker: calls fail at once for 5 seconds, then one of them probes. A 429
// does not count, nor does an attempt that the caller's context ended.
//
// # Errors
//
// [ErrUnwrap], without a reason, for what does not unwrap. Otherwise an [*Error] that
// wraps [ErrDenied], [ErrUnavailable], [ErrRefused] or [ErrAnswer], or the error of the
// caller's context. Any other error is a mistake of the caller.
//
// # Events
//
// A KEK made [WithLogger] emits, with event.action, event.outcome, kek.id and, for a
// failure, event.reason; the Envelope has those of wrapping and unwrapping:
//
//	vault-login           each login
//	vault-renew           each renewal
//	vault-breaker-open    failure: Vault does not answer
//	vault-breaker-close   it answers again
//
// # Performance
//
// Wrap and Unwrap are one request each on a kept connection.
package vaultkek
