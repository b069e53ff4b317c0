// Package column encrypts single columns of SQL tables: each value bound to the table,
// column and row in which it stands, and found again by equality through a blind index.
//
// Most users want [New], with [Column.Value] and [Column.Scan] in the place of the plain
// value in Exec and Scan. [NewEnvelope] is for keys that a key management service holds.
// The database needs a column of bytes (BYTEA, BLOB, VARBINARY) for the sealed values and
// another one, with an ordinary index that is not unique, for the tokens.
//
// # Types
//
// A T is a string, []byte, bool, integer, float or time.Time, a type with one of them for
// its underlying type, or anything else as encoding/json writes it. What is sealed says
// which of them it is, and does not decode as another. An integer may become wider later;
// one that does not fit is an error.
//
// A time keeps its instant to the nanosecond and comes back in UTC. JSON carries exported
// fields only, and a field that T does not know is an error on reading, so that no older
// version of a program drops it: keep a field for as long as rows have it. A value whose
// JSON is not read back as the same JSON is an error on sealing: text that is not UTF-8,
// or an integer beyond 2^53 in an interface.
//
// NULL stays NULL: T is a *U or sql.Null[U] for that, or []byte, whose nil is NULL as
// it is throughout database/sql. For other types NULL is an error. NULL is not sealed.
//
// A T that holds a [secrets.Secret] anywhere is refused, as are sql.NullString and its
// like (sql.Null does the same), channels, functions, complex numbers, interfaces with
// methods, and structs all of whose fields encoding/json leaves out. A Secret that only
// the value shows, in an interface, is an error on sealing.
//
// # Row ids
//
// The application makes the id, a UUID for one, before it inserts: an id that the
// database counts up is not known when the value is sealed. It is text that the database
// has to return as it was given: of a UUID in a column of type uuid the lower-case form,
// of a CHAR(n) one without spaces at its end. A row that gets another id, or moves to
// another table, is sealed anew.
//
// # Index
//
// Tokens leak, by design: who reads the table learns which rows may hold equal values and
// how often each token occurs, which for values of a known distribution (surnames, cities)
// comes close to the values. Who may also write values and look at their tokens can test
// guesses. No token tells a value without such knowledge. Store no index that no query
// needs.
//
// A token of few bits tells less and finds more rows in vain, which [Column.Match] sorts
// out after decryption. Of R rows with different values, a lookup finds C = R / 2^bits
// in vain. The rule is 2 <= C < sqrt(R), for the R that the table will grow to; as long
// as it has fewer rows, tokens tell more, and less so with few bits:
//
//	rows           bits
//	1,000          5 to 8
//	10,000         7 to 12
//	100,000        9 to 15
//	1,000,000      10 to 18
//	10,000,000     12 to 22
//	100,000,000    14 to 25
//	1,000,000,000  15 to 28
//
// Two indexes over one value tell as much as one with the bits of both. The width cannot
// be changed without writing all tokens anew, nor can a normalizer.
//
// # Rotation
//
// Add the new key to the Keyring as an older one everywhere, then make it the primary:
// lookups go by the tokens of all keys, so rows are found at all times. Then, for each row
// that [Column.NeedsReseal], write the [Column.Pair] anew in one UPDATE, and drop the
// old key when none is left. Values of an [EnvelopeColumn] are envelopes, for
// [crypto.Envelope.RewrapHeader], and only their tokens follow the index keys:
// write those anew that are not what Token returns.
//
// # Security
//
// A value that was altered, or copied to another row, column or table, does not open. It
// hides neither its length nor whether it is NULL. It opens in the same place of another
// database that has the same keys: give each database, and each tenant, its own. Nor is it noticed that an older value
// of the same row was put back, that a value was set to NULL, that a row was deleted, or
// that a token was changed, after which a lookup misses the row.
//
// Values under a Keyring are not key-committing, see [crypto.Compact].
//
// # FIPS 140-3
//
// A Column opens and seals under enforcement, GODEBUG=fips140=only. An EnvelopeColumn
// opens, and seals if its Envelope was made [crypto.WithXAES].
//
// # Errors
//
// [crypto.ErrOpen], without a reason, for what does not open; that includes a value whose
// row id was read after it. A [crypto.KEKError] of an Envelope. Any other error is a
// mistake of the caller (a NULL without a place, another type, no row id, a nil or zero Column)
// and says what to change. No error holds a value, a token, an id or a key, and Scan
// changes nothing when it fails.
//
// # Events
//
// None but those of an Envelope.
//
// # Performance
//
// A value costs what a message of a [crypto.Compact] costs, and 46 bytes beside its
// encoding: the characters of a string, 8 bytes for a number, 12 for a time. JSON is read
// back once when it is sealed. A token costs two HMACs for each key. A service behind an
// Envelope is asked once for many values.
package column
