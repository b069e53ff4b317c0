// Package ratelimit admits a limited number of calls for each key, in memory that never grows.
//
// Most users want [New] with [PerSecond] or [AtMost], put in front of a handler by [Middleware]
// with [ClientIP], and [NewLogin] for a login form. [Limiter.Allow] is for everything else.
//
// A limit is a token bucket, kept as one theoretical arrival time for each key (the generic cell rate
// algorithm, ITU-T I.371). Several limits of one limiter admit a call together or not at all.
//
// # Security
//
// No key is admitted more than Burst + Rate·span/Per tokens in any span, and AtMost(n, window) never more than n in
// any window: under concurrency, with clock readings that repeat or go back, after refunds, and with more
// keys than there is room for. Memory is allocated once. When a table is full of keys in debt, fresh
// keys are refused rather than old debts forgotten, unless [EvictLeastDebt] is chosen.
//
// Keys are kept as 64-bit hashes under a random seed, so that nobody can aim at a part of the table.
// Two keys with one hash would share a bucket, which refuses too much and admits nothing extra: among a million live
// keys, with a chance of 1 in 37 million.
//
// A forwarding field is believed only from a trusted proxy. A client that cannot be identified
// shares one key with all others like it.
//
// Limits hold for one process. A restart forgives all debts.
//
// # Errors
//
// [ErrKey] and [ErrCost] refuse what can never be admitted, [ErrClientIP] a request whose client is unknown
// and [ErrAttempt] an attempt that was already ended. With any error the call is denied.
//
// # Events
//
// With [WithLogger], at level Warn, at most ten a second with event.skipped telling how many were left out:
//
//	rate-limit-exceeded        a Limiter denied a call
//	login-rate-limit-exceeded  a Login denied an attempt (with source.ip, if known)
//
// event.outcome is "failure" and event.reason the name of the limit. No key or account is logged.
//
// # Performance
//
// A decision over up to four limits allocates nothing. With one limit, a key that has a slot is charged by one compare-and-set; an
// insertion and a decision over several limits take a spinlock on the set of 15 slots concerned. A key takes 43
// bytes at the most keys for which a table was made. The tables have no pointers, so the garbage collector does not scan them.
package ratelimit
