// Package password hashes passwords with argon2id (RFC 9106) into PHC strings, within
// a budget of memory, and verifies them.
//
// Make one [Hasher] for the process. Store what [Hasher.Hash] returns; at log-in call
// [Hasher.Verify] with what is stored, or with "" if there is no such user, and store
// Result.Rehash if it is not empty.
//
// # Security
//
// The default, 19 MiB and two passes, is the first choice of the OWASP Password
// Storage Cheat Sheet (ASVS 5.0, 11.4.2). A memory budget bounds what log-ins can make the
// process allocate, and with it how many hashes run at once; a bounded queue, served
// in order, bounds how many wait. Parameters in a stored hash are held against a
// ceiling before anything is allocated, passwords are capped at 1,024 bytes before
// anything is computed.
//
// Verify takes as long for an unknown user (""), or for a stored hash that cannot be
// verified here, as for a current hash. Answer [ErrFormat], [ErrCeiling] and [ErrPepper]
// as a wrong password, and log them: another answer tells that the user exists. A stored
// hash with other parameters, or of a legacy kind, takes its own time, until its user
// logs in and it is rehashed.
//
// A [Pepper] keeps hashes without the key from being searched. Hashes without a
// pepper are still verified when one is configured, so a database writer can plant one.
//
// Legacy bcrypt hashes match no password over 72 bytes and none with a NUL byte, which
// bcrypt takes for others; such users have to reset their password. Legacy scrypt and
// PBKDF2 hashes with less than 16 bytes of salt are [ErrFormat] under GODEBUG=fips140=only.
//
// What it does not do: it sets no rules for passwords (a minimum length, a block list)
// and does not normalize Unicode: bytes are hashed as they come. It does not limit how
// often a user may guess; see package ratelimit.
//
// # Format
//
//	$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>[,pepper=<id>]$<salt>$<tag>
//
// as the PHC string format has it (https://c2sp.org/phc-strings), 16 bytes of salt and
// 32 of tag when made here, 8 to 48 and 16 to 64 when read. The pepper parameter is our
// own: with it, argon2id gets HMAC-SHA-256(pepper key, password) for a password.
//
// # Errors
//
// [ErrBusy], [ErrTooLong] and [ErrEmpty] are for the client of a service; [ErrFormat],
// [ErrCeiling] and [ErrPepper], that a stored hash cannot be verified here, are not. The error
// of a context that is done is wrapped. A wrong password is not an error. No error
// holds a password or a hash.
//
// # Events
//
// None: the caller knows who tried to log in, and from where.
//
// # Performance
//
// A default hash takes some 20 ms of one core and is charged 38 MiB of the budget, by
// default 256 MiB: six at once.
package password
