// Package secrets holds values that must not leak and reads them from where
// operators put them. It uses the standard library only.
//
// Most programs declare what they need in a struct and call [Load] once:
//
//	type Config struct {
//		Password secrets.Secret `secret:"DB_PASSWORD,required"`
//	}
//
//	src := secrets.First(secrets.Dir("/run/secrets"), secrets.Env("DB_PASSWORD"))
//	err := secrets.Load(ctx, src, &cfg)
//
// and call [Secret.Reveal] or [Secret.Use] where the value is handed to a driver.
// These two calls are the only exits, and they can be searched for.
//
// A secret that is rotated while the program runs is followed with [Open]; see [Live].
//
// [Generate] makes tokens for the users of a service, and [CheckFormat] refuses a
// mistyped one before a database is asked.
//
// # Security
//
// A [Secret] shows "[REDACTED]" or an address in every formatter, logger, encoder,
// template and dumper, as a value, a pointer or an unexported field, where formatters
// call no methods. It refuses to be encoded in a binary form or stored in a database,
// and refuses to become the placeholder when a dump is loaded. An empty Secret equals
// nothing. Names that a program did not declare are not readable through [Env] and
// [Only], and a file outside its directory is not readable through [Dir].
//
// What Go cannot do, this package does not claim: strings that Reveal returned, the
// environment block, and the copies that net/http, crypto/tls and database drivers
// make cannot be erased; the garbage collector may have moved a stack that held a
// value. Prefer Use to Reveal and files to variables; build with
// GOEXPERIMENT=runtimesecret to have Use erase its stack, registers and heap. Nothing
// here stops a debugger, root, or code in the same process that means to read a value.
//
// # Errors
//
// [ErrNotFound]: the store works and does not have the name. [ErrDenied]: the
// program did not declare it. [ErrFormat]: not a token of the kind.
// [ErrStale]: a [Live] was not confirmed for too long. Any other error
// says what is wrong with a store or a file. Errors name the secret and never quote
// a value, a path or what a decoder said; [Load] joins all that it finds.
//
// # Events
//
// [Only] logs "secret access denied" at level Warn to the logger given with
// [Allowlist.WithLogger], with the attributes event.action=secret-access,
// event.outcome=failure, event.reason and secret.name.
//
// A [Live] with [Options.Logger] logs with event.action, event.outcome, secret.name,
// secret.version where there is one, and event.reason for a failure:
//
//	secret-refresh     a read failed, once until the reason changes; or works again
//	secret-rotation    Current changed
//	secret-activation  Signing changed
//	secret-version     another version is accepted, or one no longer is
//	secret-stale       the value has become stale
//
// # Performance
//
// Reveal costs one allocation, the string; Use costs the copy that it wipes; Equal
// of values up to 64 bytes costs none. A Secret takes one word, its value is held
// once for all copies, and readers do not block each other. Every Fetch of [Env] and
// [Dir] reads anew.
package secrets
