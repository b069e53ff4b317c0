// Package authz decides who may do what: deny by default, with typed permissions, roles
// that inherit, conditions on attributes, tenants that are kept apart, and a mux that
// does not start with a route that nobody thought about.
//
// Most services declare a [Config] of constants, make a [Policy] with [New], hand a
// table of [Route] to [NewMux], and say with [FromSession] where roles come from. Where
// the resource is known only in the handler, it calls [Policy.Check] itself.
//
// # Security
//
// A check allows only if every one of these holds, in this order: the permission is
// declared; the subject has an ID; one of its roles has the permission, by itself or by
// inheritance; subject and resource both have a tenant, and the same one, unless
// Config.CrossTenant names the permission; the [Engine], if there is one in place of
// roles, says so; every [Condition] of the permission returns true. A condition that asks
// for an attribute that is missing, or has another type, denies, as does one that panics.
//
// The statuses tell a client no more than it may know:
//
//	401  nobody is logged in
//	403  no role of the subject has the permission: the same for every resource, which
//	     has not been looked for yet
//	404  the resource does not exist, is another tenant's, or a condition or the engine
//	     refused it: not to be told apart, but by the time that it takes
//	405  the path exists, with other methods. It is answered, with Allow, before anybody
//	     is asked who it is, as are 404 for a path that no route has and the redirects
//	     of [http.ServeMux] to a clean path: the table of routes is no secret here
//	503  there is no decision: the subject, the resource or the engine could not be reached
//
// A route for GET serves HEAD, too, with the same permission. What a route without a
// Resource cannot check is whose row its handler reads: the handler has to ask by the
// tenant of [SubjectOf], or call Check.
//
// Requirements of OWASP ASVS 5.0 that this covers: 8.2.1, 8.2.2, 8.3.1, 8.4.1, 16.3.2.
//
// # Errors
//
// [New] and [NewMux] list everything that is wrong, in one error. [Decision.Err] is
// [ErrAnonymous], [ErrForbidden], [ErrNotFound] or [ErrUndecided]; the reason is for the
// log and never in the error.
//
// # Events
//
// To Config.Logger, one for each decision, allowed or not, with the message
// authorization: event.action (the permission), event.outcome, event.reason (a
// [Reason], or subject-failed or resource-failed), user.id, organization.id (the
// tenant of the resource), rule.name (the role that granted, the condition that did
// not hold) and error.type (of what failed or panicked). Allowed is Info, denied is
// Warn; a failure or a panic, unless the request was cancelled, and an undeclared
// permission are Error. Attributes, IDs of resources and texts of errors are never
// logged.
//
// # Performance
//
// Roles are compiled to bit sets: a check by role and tenant costs two look-ups and no
// allocation, and conditions only what they do themselves. A route of a Mux costs two
// allocations more than its handler.
package authz
