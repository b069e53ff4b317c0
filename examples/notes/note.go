package main

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/pavise/pavise/crypto"
)

type noteInput struct {
	Title   string `json:"title" validate:"required,max=200,text"`
	Text    string `json:"text" validate:"required,max=50000"`
	Version int64  `json:"version" validate:"gte=0"`
}

type deleteInput struct {
	Version int64 `json:"version" validate:"gte=1"`
}

type listInput struct {
	Before string `query:"before" validate:"max=64"`
}

// draft is what somebody typed into the form of a note. Whatever goes wrong with the request, it is shown again.
type draft struct{ Title, Text, Version string }

const textHint = "You can use HTML: headings, lists, links, tables, bold, italic, quotes, code. Anything that could do harm is left out when you save; what you typed is kept."

func noteForm(id string, d draft) form {
	f := form{Action: "/notes", Submit: "Save", Cancel: "/notes", Fields: []field{
		{Name: "title", Label: "Title", Value: d.Title, Autocomplete: "off"},
		{Name: "text", Label: "Text", Value: d.Text, Rows: 12, Hint: textHint},
	}}
	if id != "" {
		f.Action, f.Cancel = "/notes/"+id, "/notes/"+id
		f.Hidden = map[string]string{"version": d.Version}
	}
	return f
}

func (a *app) notes(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.list.Request(w, r)
	if err != nil {
		return err
	}
	notes, err := a.notebook.list(r.Context(), userID(r), in.Before)
	if err != nil {
		return err
	}
	return a.show(w, r, http.StatusOK, page{Title: "Notebook", Here: "notes", User: userName(r), Name: "notes", Data: struct {
		Notes       []note
		Older, Name string
		First       bool
	}{notes, older(notes), userName(r), in.Before == ""}})
}

// older is the id that the next page begins after, or "" if there is none.
func older(notes []note) string {
	if len(notes) < pageSize {
		return ""
	}
	return notes[len(notes)-1].ID
}

func (a *app) newNote(w http.ResponseWriter, r *http.Request) error {
	return a.showEditor(w, r, http.StatusOK, "A new note", noteForm("", draft{}).with(nil))
}

func (a *app) writeNote(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.note.Request(w, r)
	if err != nil {
		return err
	}
	n, err := a.notebook.write(r.Context(), userID(r), in.Title, unixLines(in.Text))
	if err != nil {
		return err
	}
	return see(w, r, "/notes/"+n.ID)
}

func (a *app) readNote(w http.ResponseWriter, r *http.Request) error {
	n, err := a.notebook.read(r.Context(), userID(r), r.PathValue("id"))
	if errors.Is(err, crypto.ErrOpen) {
		return errSealed
	}
	if err != nil {
		return err
	}
	f := noteForm(n.ID, draft{n.Title, n.Text, strconv.FormatInt(n.Version, 10)})
	return a.show(w, r, http.StatusOK, page{Title: n.Title, Here: "notes", User: userName(r), Name: "note", Data: struct {
		note
		Form form
	}{n, f}})
}

func (a *app) rewriteNote(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.note.Request(w, r)
	if err != nil {
		return err
	}
	n, err := a.notebook.rewrite(r.Context(), userID(r), r.PathValue("id"), in.Title, unixLines(in.Text), in.Version)
	if err != nil {
		return err
	}
	return see(w, r, "/notes/"+n.ID)
}

func (a *app) deleteNote(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.delete.Request(w, r)
	if err != nil {
		return err
	}
	if err := a.store.deleteNote(r.Context(), userID(r), r.PathValue("id"), in.Version); err != nil {
		return err
	}
	return see(w, r, "/notes")
}

func (a *app) showEditor(w http.ResponseWriter, r *http.Request, status int, heading string, f form) error {
	return a.show(w, r, status, page{Title: heading, Here: "notes", User: userName(r), Name: "note-edit", Data: struct {
		Heading string
		Form    form
	}{heading, f}})
}

// draftOf returns the note that a request wanted to save, if it wanted to. A request that was refused early has not been
// read yet.
func draftOf(w http.ResponseWriter, r *http.Request) (draft, bool) {
	if r.Pattern != "POST /notes" && r.Pattern != "POST /notes/{id}" {
		return draft{}, false
	}
	if r.PostForm == nil {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	}
	if err := r.ParseForm(); err != nil || !r.PostForm.Has("text") {
		return draft{}, false
	}
	return draft{r.PostForm.Get("title"), r.PostForm.Get("text"), r.PostForm.Get("version")}, true
}

// showDraft answers a request that could not save a note: with the form, what was typed, and what to do now. Nobody loses a
// text to a slow server, a session that has ended or a second device.
func (a *app) showDraft(w http.ResponseWriter, r *http.Request, d draft, p *problem, errs map[string]string) error {
	id, advice := r.PathValue("id"), p.Detail+" Your text is still here."
	switch p.Status {
	case http.StatusUnprocessableEntity:
		return a.showEditor(w, r, p.Status, "Not saved yet", noteForm(id, d).with(errs))
	case http.StatusConflict:
		if n, err := a.store.note(r.Context(), userID(r), id); err == nil {
			return a.showConflict(w, r, n, d)
		}
	case http.StatusNotFound:
		id, advice = "", "The note was deleted in the meantime. Your text is still here: save it as a new note."
	case http.StatusUnauthorized:
		advice = "You are not logged in any more. Log in in another tab, then come back and save: your text is still here."
	}
	return a.showEditor(w, r, p.Status, p.Title, noteForm(id, d).with(map[string]string{"": "Not saved yet. " + advice}))
}

// showConflict offers to save over the version that is there now.
func (a *app) showConflict(w http.ResponseWriter, r *http.Request, now sealedNote, d draft) error {
	d.Version = strconv.FormatInt(now.Version, 10)
	f := noteForm(now.ID, d)
	f.Submit = "Save mine over it"
	return a.show(w, r, http.StatusConflict, page{
		Title: "This note was changed elsewhere", Here: "notes", User: userName(r), Name: "note-conflict",
		Data: struct {
			ID   string
			Form form
		}{now.ID, f.with(nil)},
	})
}
