// Package validate turns the bytes of an HTTP request into a typed value that is known to be good, or into a problem
// document that says exactly what is wrong and never repeats what was sent.
//
// Most programs need [For], once for each request type, and [Schema.Handler] or [Schema.Request]. The tags are those
// of [github.com/go-playground/validator/v10], which is also the engine for every rule that has no faster equivalent
// here.
//
// # Security
//
// The zero [Config] is the strict one. Of a JSON body: the exact names of the type, each once; nothing behind the
// value; valid UTF-8 without lone surrogates (RFC 7493); no null where the type has none (a pointer, an [Opt] or an
// interface takes null, a slice or map does not); no array of another length than its Go array; no number out of the
// range of its Go type, and no integer that its Go type would round. Of a form or query: no unknown names, no repeated
// ones unless the field is a slice, no bad escapes. The Content-Type is required and is JSON, unless Config.Kinds says
// otherwise. [Limits] hold before memory is spent (OWASP ASVS 5.0: 1.5.3, 2.2.1, 15.2.2, 15.3.3).
//
// A request fills only the fields that say where they come from: an exported field without a source is an error of
// [For], as is a tag that names an unknown rule, has a bad parameter, stands on a type that it cannot judge, or
// reaches the server's disk. So nothing that a client sends can make a rule panic. Every struct in a field, slice,
// map, pointer or Opt is checked, with or without dive; not one that has its own UnmarshalJSON or UnmarshalText.
//
// Rules are validator's, with these differences. required on a struct asks for a value that is not zero. A nil pointer
// meets the first rule of its tag; where that is about other fields, the next such rules and required too. Comparisons
// of length run before formats. Of their own:
//
//	present        the member is sent and not null; 0 and false pass. Decoding only.
//	notnull        the member is not sent as null. Decoding only.
//	email          WHATWG HTML grammar; 64 bytes before the @, 254 in all (RFC 5321)
//	slug           a-z, 0-9 and single hyphens between them
//	text           UTF-8 in NFC (UAX 15) without control, bidirectional or invisible characters; text=lines also
//	               takes tab, line feed and carriage return
//	filename       a name that sanitize/text.Filename leaves as it is
//	redirect_path  a path that sanitize/text.RedirectTarget leaves as it is, so on this site
//
// A field tagged secret:"true" gives neither parameters nor anything below it in violations. Validation says that a
// value has a form; it does not make it safe in HTML, SQL or a shell.
//
// # Errors
//
// What the client did wrong is one [*Error]: 400 (not readable), 413 (too large), 415 (media type) or 422 (rules),
// with up to 100 violations. Any other error is the server's: a [Ctx] check that failed, or a rule that panicked.
//
// # Events
//
// With Config.Logger, each refused request gives "validate: request refused" at level Warn: event.action
// input-validation, event.outcome failure, event.reason (the first code), source.ip (of the connection), and the
// error's LogValue. [For] warns of required on a bool or number.
//
// # Performance
//
// A type is compiled once. A JSON body is scanned, then decoded by encoding/json, then judged. Scanning allocates
// only for maps; judging only for rules of validator's engine and for what is wrong.
package validate
