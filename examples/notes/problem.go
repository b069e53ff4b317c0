package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pavise/pavise/crypto/password"
	"github.com/pavise/pavise/ratelimit"
	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/validate"
)

// problem is an answer other than the one that was asked for: a page that says what to do next, or an RFC 9457 document under
// /api. It is an error, so that a handler can return it.
type problem struct {
	Status   int
	Title    string
	Detail   string
	Link     string // where to go next
	LinkText string
	Retry    time.Duration // Retry-After; 0 is none

	Request string // the number of the request, where only the log can say more
}

func (p *problem) Error() string { return "notes: " + strings.ToLower(p.Title) }

var (
	errInternal = &problem{Status: 500, Title: "Something went wrong here", Detail: "It is not your fault, and what you saved before is safe. Please try again; if it happens once more, tell whoever runs this service.", Link: "/", LinkText: "To the first page"}
	errBusy     = &problem{Status: 503, Title: "We have to catch our breath", Detail: "The service cannot answer at the moment. Nothing is lost: please try again in a few seconds.", Link: "/notes", LinkText: "Try again", Retry: 5 * time.Second}
	errMissing  = &problem{Status: 404, Title: "There is nothing here", Detail: "This page does not exist, or it is not yours to see. Perhaps the address was cut off, or the note was deleted.", Link: "/notes", LinkText: "To your notes"}
	errMethod   = &problem{Status: 405, Title: "That does not work here", Detail: "This address exists, but not for this kind of request.", Link: "/", LinkText: "To the first page"}
	errLogin    = &problem{Status: 401, Title: "Please log in", Detail: "This page is for people who are logged in, and you are not, or not any more.", Link: "/login", LinkText: "Log in"}
	errDenied   = &problem{Status: 403, Title: "This is not for you", Detail: "Your account may not do that. If you think it should, ask whoever runs this service.", Link: "/notes", LinkText: "To your notes"}
	errForeign  = &problem{Status: 403, Title: "This request came from elsewhere", Detail: "Your browser says that another site, or a program, sent it in your name. Nothing was changed. If it was you: open the page here and try again.", Link: "/", LinkText: "To the first page"}
	errHost     = &problem{Status: 421, Title: "Wrong address", Detail: "Without TLS this service answers on this machine only. Open it as http://localhost or http://127.0.0.1, or start it with a certificate.", Link: "/", LinkText: "To the first page"}
	errDirect   = &problem{Status: 421, Title: "Wrong address", Detail: "This service is reached through its proxy, over TLS. Open it under the address that you were given.", Link: "/", LinkText: "To the first page"}
	errChanged  = &problem{Status: 409, Title: "It was changed in the meantime", Detail: "Somebody, perhaps you on another device, was faster. Nothing was overwritten: open it again, and look before you repeat it.", Link: "/notes", LinkText: "To your notes"}
	errSealed   = &problem{Status: 500, Title: "This note cannot be opened", Detail: "What is stored is not what was saved: it is damaged, or somebody has changed it. Tell whoever runs this service; a backup may still have it.", Link: "/notes", LinkText: "To your notes"}
)

// tooMany is the answer of a limiter.
func tooMany(d ratelimit.Decision) *problem {
	return &problem{
		Status: 429, Title: "That was a little too often",
		Detail: "To protect everybody's account, there is a limit. Please try again in " + amount(d.RetryAfter) + ".",
		Link:   "/", LinkText: "To the first page", Retry: d.RetryAfter,
	}
}

// problemOf finds the answer to an error. What it does not know is a 500 without any detail.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*validate.Error](err); ok {
		return refusal(e)
	}
	_, database := errors.AsType[*storeError](err)
	switch {
	case database, errors.Is(err, password.ErrBusy), errors.Is(err, session.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return errBusy
	case errors.Is(err, errNotFound):
		return errMissing
	case errors.Is(err, errConflict):
		return errChanged
	case errors.Is(err, session.ErrGone), errors.Is(err, session.ErrNotLoggedIn), errors.Is(err, session.ErrStaleEpoch):
		return errLogin
	case errors.Is(err, password.ErrTooLong):
		return refusal(&validate.Error{Status: http.StatusRequestEntityTooLarge})
	}
	return errInternal
}

// refusal is the page for input that is not just a mistake in a field.
func refusal(e *validate.Error) *problem {
	p := &problem{Status: e.Status, Link: "/notes", LinkText: "To your notes"}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		p.Title, p.Detail = "That is too much at once", "What was sent is larger than this service takes. Please make it shorter, or split it."
	case http.StatusUnsupportedMediaType:
		p.Title, p.Detail = "That is not a form of ours", "The request has a type that is not accepted here. Please use the form of this service."
	case http.StatusUnprocessableEntity:
		p.Title, p.Detail = "Something is missing or wrong", "Please look at the fields again."
	default:
		p.Title, p.Detail = "That request could not be read", "It is not in the form that is expected here. Please use the form of this service."
	}
	return p
}

// fail answers with what went wrong.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= 500 && r.Context().Err() != context.Canceled { // the client is still there
		a.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("http.request.id", requestID(r.Context())), slog.String("error.message", err.Error()))
		numbered := *p
		numbered.Request = requestID(r.Context())
		p = &numbered
	}
	setRetry(w, p)
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeProblem(w, r, p, err)
		return
	}
	if p == errLogin && r.Method == http.MethodGet {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	if d, ok := draftOf(w, r); ok {
		err = a.showDraft(w, r, d, p, fieldErrors(err))
	} else {
		err = a.show(w, r, p.Status, page{Title: p.Title, User: a.nameFor(r, p), Bare: p.Status >= 500, Name: "problem", Data: p})
	}
	if err != nil { // the page itself is broken
		http.Error(w, p.Title, p.Status)
	}
}

// setRetry tells programs when to come back, in whole seconds.
func setRetry(w http.ResponseWriter, p *problem) {
	if p.Retry > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.Retry+time.Second-1)/time.Second), 10))
	}
}

// writeProblem is the twin of the page for programs. What is wrong with each member of the body, validate says.
func writeProblem(w http.ResponseWriter, r *http.Request, p *problem, err error) {
	if e, ok := errors.AsType[*validate.Error](err); ok {
		validate.WriteProblem(w, r, e)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 wants a scheme; at this one browsers show no dialog
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": p.Title, "status": p.Status, "detail": p.Detail})
}

// nameFor is the name above a problem page. On pages for everybody nobody has asked for it yet; when the database is away,
// nobody should.
func (a *app) nameFor(r *http.Request, p *problem) string {
	if name := userName(r); name != "" || p.Status >= 500 {
		return name
	}
	s, _ := a.sessions.Get(r.Context()) // without it the page is that for strangers
	return s.Data.Name
}

// inWords are the messages for what people get wrong in the forms, as ends of a sentence that begins with "This".
func inWords(_ context.Context, v validate.Violation) string {
	switch v.Code {
	case "required":
		return "is needed"
	case "max":
		return "is too long: it can have " + v.Params["max"] + " characters"
	case "slug":
		return "can have lower-case letters, digits, and single hyphens between them"
	case "text":
		return "has invisible characters: type it again instead of pasting it"
	}
	return ""
}

// fieldErrors says what is wrong with each field of a form, by its name; "" is the form itself.
func fieldErrors(err error) map[string]string {
	e, ok := errors.AsType[*validate.Error](err)
	if !ok {
		return nil
	}
	errs := make(map[string]string)
	for _, v := range e.Violations {
		if name := strings.TrimPrefix(v.Pointer, "/"); errs[name] == "" {
			errs[name] = "This " + v.Detail + "."
		}
	}
	return errs
}
