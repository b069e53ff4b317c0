package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// The twins of the notebook's pages for programs, with the session of the browser or of whoever keeps its cookie. Errors are
// problem documents (RFC 9457).

type apiNote struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Text    string    `json:"text,omitempty"` // as it was typed
	HTML    string    `json:"html,omitempty"` // sanitized
	Version int64     `json:"version"`
	Created time.Time `json:"created,omitzero"` // not after a change
	Updated time.Time `json:"updated"`
}

func forAPI(n note) apiNote {
	return apiNote{n.ID, n.Title, n.Text, string(n.HTML), n.Version, n.Created.UTC(), n.Updated.UTC()}
}

func (a *app) apiNotes(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.list.Request(w, r)
	if err != nil {
		return err
	}
	notes, err := a.notebook.list(r.Context(), userID(r), in.Before)
	if err != nil {
		return err
	}
	list := make([]apiNote, len(notes))
	for i, n := range notes {
		list[i] = forAPI(n)
	}
	return writeJSON(w, http.StatusOK, struct {
		Notes []apiNote `json:"notes"`
		Older string    `json:"older,omitempty"` // ?before= of the next page
	}{list, older(notes)})
}

func (a *app) apiWrite(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.apiNote.Request(w, r)
	if err != nil {
		return err
	}
	n, err := a.notebook.write(r.Context(), userID(r), in.Title, in.Text)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/notes/"+n.ID)
	return writeJSON(w, http.StatusCreated, forAPI(n))
}

func (a *app) apiRead(w http.ResponseWriter, r *http.Request) error {
	n, err := a.notebook.read(r.Context(), userID(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, forAPI(n))
}

func (a *app) apiRewrite(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.apiNote.Request(w, r)
	if err != nil {
		return err
	}
	n, err := a.notebook.rewrite(r.Context(), userID(r), r.PathValue("id"), in.Title, in.Text, in.Version)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, forAPI(n))
}

type dropInput struct {
	Version int64 `query:"version" validate:"present,gte=1"`
}

func (a *app) apiDelete(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.apiDrop.Request(w, r)
	if err != nil {
		return err
	}
	if err := a.store.deleteNote(r.Context(), userID(r), r.PathValue("id"), in.Version); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	whole, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(whole) // the client has gone: nobody is left to tell
	return nil
}
