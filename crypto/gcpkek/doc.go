// Package gcpkek is a key-encryption key in Google Cloud KMS, for the Envelope of
// package crypto. It uses the client of cloud.google.com/go/kms that it is given.
//
// Most users call [New] with a *kms.KeyManagementClient and the resource name of a key,
// then [KEK.Check] once at start, and give the KEK to crypto.NewEnvelope. The key has
// the purpose ENCRYPT_DECRYPT. This is a module of its own: it imports nothing of
// Pavise, whose go.mod stays free of the SDK.
//
// # Policy
//
// What the service account has to be granted, on the one key and nothing above it:
//
//	gcloud kms keys add-iam-policy-binding notes --keyring services --location europe-west3 \
//	    --role roles/cloudkms.cryptoKeyEncrypterDecrypter \
//	    --member serviceAccount:notes@acme.iam.gserviceaccount.com
//
// A service that only seals has roles/cloudkms.cryptoKeyEncrypter, and one that only
// opens roles/cloudkms.cryptoKeyDecrypter. Cloud KMS has no condition on the label: two
// services that must not open each other's data need two keys.
//
// # Security
//
// The label of the Envelope is authenticated as additional authenticated data: a data
// key that was wrapped for one purpose does not unwrap for another. CRC32C checksums of
// all that is sent and answered are verified on both sides, and an answer of another key
// is refused: a damaged data key is noticed before anything is sealed under it.
//
// What it does not do: whoever has credentials with this role, or reads the memory of
// this process, unwraps what this service can. The copies of data keys that the SDK,
// gRPC or net/http, and crypto/tls make are out of reach of wiping, and so is what the
// SDK writes when GOOGLE_SDK_GO_LOGGING_LEVEL asks for debug output: data keys, too.
// Over REST, the SDK reads answers of any length.
//
// # Rotation
//
// The name of the key stays when it is rotated, and its earlier versions keep opening
// until they are disabled. The version is stored with the wrapped key, so that
// [KEK.NeedsRewrap], and Envelope.NeedsRewrap with it, tells what is left to rewrap
// before that.
//
// # Outages
//
// An attempt takes at most a third of the time of its call ([WithTimeout]). Exceeded
// quotas, statuses 408, 429 and 5xx, broken connections, and malformed or damaged
// answers are tried again, four times in all, after a random delay below a bound that
// doubles from 100 ms. The retryer of the SDK is off in these calls, so that attempts do
// not multiply. Five failures in a row open the circuit breaker: calls fail at once for
// 5 seconds, then one of them probes. Quotas do not count, nor does an attempt that the
// caller's context ended.
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
//	gcp-breaker-open    failure: Cloud KMS does not answer
//	gcp-breaker-close   it answers again
//
// # Performance
//
// Wrap and Unwrap are one request each, on a connection that the client keeps.
package gcpkek
