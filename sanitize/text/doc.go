// Package text turns untrusted text into a form that is safe for one place: a file name, a log line, a redirect.
//
// Most services want [LogHandler] around their slog handler, [Filename] for every upload and [RedirectTarget] for every
// "return to" parameter. Each function defines its safe form once: a value is already safe exactly when the function returns
// it unchanged, and applying a function twice is the same as applying it once.
//
// HTML is the business of package sanitize; this package brings no HTML engine with it.
//
// # Security
//
//   - [Filename] follows the naming rules of Windows, macOS and Linux at once, so that a name that was stored on one can be
//     restored on another (CWE-22, CWE-73, CWE-641; OWASP ASVS 5.0, V5.3.2). It makes a name, not a place: open it with
//     [os.Root], which refuses to leave its directory even through a symbolic link.
//   - [LogValue] and [LogHandler] keep a value on its line and a terminal in its state (CWE-117, CWE-150; ASVS 5.0, V16.4.1).
//   - [RedirectTarget] reads a URL the way a browser does (WHATWG URL Standard), not the way RFC 3986 does (CWE-601; ASVS
//     5.0, V3.7.2).
//
// # Errors
//
// [ErrFilename], [ErrExtension] and [ErrRedirect] are what callers branch on. Any other error is a mistake in the arguments
// that the program itself gave: an option out of range, an entry of the host list that is not a host. No error holds the value.
//
// # Events
//
// None: the functions report to their caller only.
//
// # Performance
//
// Every function is linear in its input. [LogValue] and [RedirectTarget] allocate nothing when the value is already safe.
package text
