// Package awskek is a key-encryption key in AWS KMS, for the Envelope of package
// crypto. It uses the client of aws-sdk-go-v2 that it is given.
//
// Most users call [New] with a *kms.Client and the ARN of a key, then [KEK.Check] once
// at start, and give the KEK to crypto.NewEnvelope. The key is symmetric, of the usage
// ENCRYPT_DECRYPT, which is the default of KMS. This is a module of its own: it imports
// nothing of Pavise, whose go.mod stays free of the SDK.
//
// # Policy
//
// What the service has to be allowed, and nothing else; one that only seals, or only
// opens, leaves the other action out. "notes" is the label of the Envelope:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [{
//	    "Effect": "Allow",
//	    "Action": ["kms:Encrypt", "kms:Decrypt"],
//	    "Resource": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
//	    "Condition": {
//	      "StringEquals": {"kms:EncryptionContext:pavise-label": "notes"},
//	      "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["pavise-label"]}
//	    }
//	  }]
//	}
//
// # Security
//
// The label of the Envelope is authenticated as the encryption context ([LabelKey]): a
// data key that was wrapped for one purpose does not unwrap for another. CloudTrail
// records it in the clear. The key is named by its ARN in both directions, and an answer
// of another key is refused: an alias, which can be pointed elsewhere, is not taken.
//
// What it does not do: whoever has credentials with this policy, or reads the memory of
// this process, unwraps what this service can. The copies of data keys that the SDK,
// net/http and crypto/tls make are out of reach of wiping, and so is what a client with
// ClientLogMode set to log bodies writes. The SDK reads answers of any length.
//
// # Rotation
//
// KMS keeps all key material of a key that it rotates, under the same ARN: what was
// wrapped before keeps opening. A wrapped key does not show which material it is under,
// so the KEK has no NeedsRewrap: a job that has to move everything to new material
// rewraps everything, and a change to another key is one that Envelope.NeedsRewrap
// sees. For multi-region keys see [WithID].
//
// # Outages
//
// An attempt takes at most a third of the time of its call ([WithTimeout]). Throttling,
// statuses 408, 429 and 5xx, broken connections, and malformed answers are tried again,
// four times in all, after a random delay below a bound that doubles from 100 ms. The
// retryer of the SDK is off in these calls, so that attempts do not multiply. Five
// failures in a row open the circuit breaker: calls fail at once for 5 seconds, then
// one of them probes. Throttling does not count, nor does an attempt that the caller's
// context ended.
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
//	aws-breaker-open    failure: KMS does not answer
//	aws-breaker-close   it answers again
//
// # Performance
//
// Wrap and Unwrap are one request each, on a connection that the client keeps.
package awskek
