package main

import (
	"io"
	"net/http"
)

func (a *app) home(w http.ResponseWriter, r *http.Request) error {
	s, err := a.sessions.Get(r.Context())
	if err != nil {
		return err
	}
	if s.User != "" {
		return see(w, r, "/notes")
	}
	return a.show(w, r, http.StatusOK, page{Title: "A private notebook", Name: "home"})
}

// healthz says whether the service can do its work, for whoever sends it requests.
func (a *app) healthz(w http.ResponseWriter, r *http.Request) error {
	if err := a.store.Ping(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
	return nil
}

func (a *app) style(w http.ResponseWriter, r *http.Request) error {
	return asset(w, "text/css; charset=utf-8", a.pages.style, r.URL.RequestURI() == a.pages.styleURL)
}

func (a *app) icon(w http.ResponseWriter, _ *http.Request) error {
	return asset(w, "image/svg+xml", a.pages.icon, false)
}

// asset answers with a file of the program. One whose address changes with its content is kept for ever.
func asset(w http.ResponseWriter, contentType string, content []byte, forever bool) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if forever {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(content) // the client has gone: nobody is left to tell
	return nil
}

func see(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
