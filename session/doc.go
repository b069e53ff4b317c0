// Package session keeps sessions for net/http in which logged out stays logged
// out: a request that is still running cannot write an ended session back, two
// requests that change one session lose nothing, and a login always has a new
// token.
//
// Most services need [New] with a store, [Manager.Handler] around everything,
// [Manager.Login] and [Manager.Logout], [Manager.Require] around what needs a user,
// and [Manager.Get] and [Manager.Update] in handlers. [MemoryStore] serves one
// process; packages sqlstore and redisstore serve many. [NewSealed] makes sessions that
// live in the cookie alone, for whoever can do without transactions and lists of devices.
//
// # Security
//
// The cookie is __Host-session: Secure, HttpOnly, SameSite=Lax, Path=/. It holds
// 256 random bits. The store gets their SHA-256 and the data sealed with
// AES-256-GCM under a key that is derived from them, so that a copy of the store
// opens nothing and there is no key to manage. The additional data binds user,
// handle, AAL, methods, persistence, times, version and key: a record in which
// somebody changed one of them is no session. What is not hidden from whoever reads
// the store is those fields themselves; what is not prevented is that who can
// write to it deletes a record or puts an older copy of it back.
//
// Nobody but the holder of the token can open the data: it cannot be searched, and
// what must change without the user, such as roles, does not belong in it.
//
// A session ends 30 minutes after its last request, 12 hours after it began, at
// Logout, or when it is revoked; by the store's clock alone. That it stays ended
// needs a store that keeps what it acknowledged: a fail-over to a replica that
// lags, or a restored backup, can bring sessions back until their absolute end.
//
// A token that opens nothing is never adopted, and only Logout deletes a cookie:
// the answer to a slow request must not overwrite the cookie of a newer login. Two
// cookies of the name are both refused.
//
// The cookie of a [SealedManager] is sealed with a [crypto.Keyring] and bound to its name.
// It can be copied and presented again, so it is checked against [Revocations], which
// Login, Reauthenticate and Logout tell of what ended before they answer.
//
// Requests forged by another site are refused by [http.CrossOriginProtection] and
// three more rules: a WebSocket handshake counts as unsafe; an unsafe request with
// neither Sec-Fetch-Site nor Origin is refused if it carries our cookie or a form
// could send it; and so is one of an older browser from a page of plain http. A client that is no browser sends JSON without the cookie, or an
// Origin header.
//
// Every response that touched the session has Cache-Control: no-store, whatever the
// handler set. When the store fails the response is 503, unless the handler itself
// answers with a server error; handlers that do not use the session go on.
//
// Requirements of OWASP ASVS 5.0 that this covers: 3.3.1 to 3.3.5, 3.5.1, 7.1.1,
// 7.2.1 to 7.2.4, 7.3.1, 7.3.2, 7.4.1 to 7.4.3, 7.5.1 to 7.5.3, 14.3.2. Whether a
// service keeps them, sessiontest.ASVS tries through its handler.
//
// # Errors
//
// Handlers branch on [ErrGone] (ended: start again), [ErrStaleEpoch] (ask for the
// credentials again), [ErrTooLarge] and [ErrUnavailable]; the others are mistakes
// in a program. No error holds a token or data.
//
// # Events
//
// To the logger given with [Logger], with the attributes event.action,
// event.outcome, event.reason, user.id and source.ip (of the connection, see [ClientIP]):
//
//	session-created           success  (anonymous) | failure: store-full
//	session-login             success | failure: stale-epoch, not-stored
//	session-reauthentication  success | failure: stale-epoch, not-stored
//	session-logout            success
//	session-revoked           success: one, all
//	session-refused           failure: duplicate-cookie, malformed-token, altered-record, undecodable-data
//	session-touch             failure: store
//	session-store             failure: store, cancelled
//	request-refused           failure: cross-origin, unknown-origin, development-host,
//	                          not-logged-in, insufficient-authentication, no-handler
//
// # Performance
//
// A request that does not use its session costs two allocations and no call of the
// store; a read costs one call, and one more about once a minute; an update costs
// the read and one call. Retries after a conflict cost a read and a write each. About
// half of the time that the package itself takes is encoding/json: see [Codec].
package session
