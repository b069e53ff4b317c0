package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"html"
	"html/template"
	"strings"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/sanitize"
)

// note is an open note. Text is what was typed; HTML is what is shown of it.
type note struct {
	ID, Owner        string
	Title, Text      string
	HTML             template.HTML
	Version          int64
	Created, Updated time.Time
}

// notebook seals notes for the store and opens them again. A sealed note opens only for the owner and under the id that it
// was sealed with: one that is copied to another row of the database does not.
type notebook struct {
	store    *store
	envelope *crypto.Envelope
	html     *sanitize.Sanitizer
	policy   string // fingerprint of the policy of html
}

func newNotebook(s *store, e *crypto.Envelope) (*notebook, error) {
	policy := sanitize.Article().Minus("img") // to load a picture tells its host who reads the note, and when
	html, err := sanitize.Compile(policy)
	if err != nil {
		return nil, err
	}
	return &notebook{store: s, envelope: e, html: html, policy: policy.Fingerprint()}, nil
}

// body is what is sealed of a text. HTML is kept with the fingerprint of the policy that made it: when the policy changes, it
// is made anew from Text.
type body struct {
	Text   string `json:"text"`
	HTML   string `json:"html"`
	Policy string `json:"policy"`
}

func titleOf(owner, id string) crypto.Binding { return crypto.Bind("notes/title", owner, id) }
func bodyOf(owner, id string) crypto.Binding  { return crypto.Bind("notes/body", owner, id) }

func (b *notebook) seal(ctx context.Context, n note) (sealedNote, error) {
	sealed := sealedNote{ID: n.ID, Owner: n.Owner, Version: n.Version, Created: n.Created, Updated: n.Updated}
	whole, err := json.Marshal(body{Text: n.Text, HTML: string(n.HTML), Policy: b.policy})
	if err != nil {
		return sealed, err
	}
	if sealed.Body, err = b.envelope.Seal(ctx, nil, whole, bodyOf(n.Owner, n.ID)); err != nil {
		return sealed, err
	}
	sealed.Title, err = b.envelope.Seal(ctx, nil, []byte(n.Title), titleOf(n.Owner, n.ID))
	return sealed, err
}

func (b *notebook) title(ctx context.Context, s sealedNote) (string, error) {
	title, err := b.envelope.Open(ctx, nil, s.Title, titleOf(s.Owner, s.ID))
	return string(title), err
}

func (b *notebook) open(ctx context.Context, s sealedNote) (note, error) {
	n := note{ID: s.ID, Owner: s.Owner, Version: s.Version, Created: s.Created, Updated: s.Updated}
	var err error
	if n.Title, err = b.title(ctx, s); err != nil {
		return n, err
	}
	whole, err := b.envelope.Open(ctx, nil, s.Body, bodyOf(s.Owner, s.ID))
	if err != nil {
		return n, err
	}
	var stored body
	if err := json.Unmarshal(whole, &stored); err != nil {
		return n, err
	}
	n.Text, n.HTML = stored.Text, b.render(stored)
	return n, nil
}

// render returns the stored HTML if it was made by today's policy and still is in its language; otherwise it is made anew.
func (b *notebook) render(stored body) template.HTML {
	if stored.Policy == b.policy && b.html.Verify(stored.HTML) == nil {
		return template.HTML(stored.HTML) // verified one line above
	}
	return b.clean(stored.Text)
}

// clean returns what is shown of a text. One without any tag is plain text: its lines and paragraphs stay.
func (b *notebook) clean(text string) template.HTML {
	if !strings.Contains(text, "<") {
		text = html.EscapeString(strings.TrimSpace(text))
		text = "<p>" + strings.ReplaceAll(strings.ReplaceAll(text, "\n\n", "</p><p>"), "\n", "<br>") + "</p>"
	}
	return b.html.HTML(text)
}

func (b *notebook) write(ctx context.Context, owner, title, text string) (note, error) {
	now := time.Now().Truncate(time.Microsecond) // what the database keeps
	n := note{ID: newID(), Owner: owner, Title: title, Text: text, HTML: b.clean(text), Version: 1, Created: now, Updated: now}
	sealed, err := b.seal(ctx, n)
	if err != nil {
		return n, err
	}
	return n, b.store.addNote(ctx, sealed)
}

// rewrite replaces the note if it still has the given version.
func (b *notebook) rewrite(ctx context.Context, owner, id, title, text string, version int64) (note, error) {
	n := note{ID: id, Owner: owner, Title: title, Text: text, HTML: b.clean(text), Version: version, Updated: time.Now()}
	sealed, err := b.seal(ctx, n)
	if err != nil {
		return n, err
	}
	n.Version++
	return n, b.store.updateNote(ctx, sealed)
}

func (b *notebook) read(ctx context.Context, owner, id string) (note, error) {
	sealed, err := b.store.note(ctx, owner, id)
	if err != nil {
		return note{}, err
	}
	return b.open(ctx, sealed)
}

// list returns up to pageSize notes with their titles only, see store.notes. A title that does not open does not hide the
// others.
func (b *notebook) list(ctx context.Context, owner, before string) ([]note, error) {
	sealed, err := b.store.notes(ctx, owner, before)
	if err != nil {
		return nil, err
	}
	notes := make([]note, len(sealed))
	for i, s := range sealed {
		notes[i] = note{ID: s.ID, Owner: s.Owner, Version: s.Version, Created: s.Created, Updated: s.Updated}
		if notes[i].Title, err = b.title(ctx, s); err != nil {
			notes[i].Title = "(cannot be opened)"
		}
	}
	return notes, ctx.Err()
}

// newID is random (128 bits): nobody can guess the address of a note, or count notes.
func newID() string { return strings.ToLower(rand.Text()) }

// unixLines gives a text that a browser sent the line ends that the rest of the world uses.
func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
