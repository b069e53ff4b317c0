package session

import "context"

// Flash carries messages to the next page: a handler adds one in [Manager.Update] and
// redirects, and the page that follows shows it with [Manager.TakeFlash]. Make it a
// field of the session's data.
type Flash []Message

// Message is text for the user. Whoever shows it escapes it, as html/template does.
type Message struct {
	Kind string `json:"kind,omitempty"` // such as "error"; the page's business
	Text string `json:"text"`
}

// maxMessages bounds what a user gathers who never sees a page.
const maxMessages = 16

// Add appends a message. Of more than 16 the oldest are dropped.
func (f *Flash) Add(kind, text string) {
	*f = append(*f, Message{kind, text})
	if n := len(*f) - maxMessages; n > 0 {
		*f = append(Flash(nil), (*f)[n:]...)
	}
}

// TakeFlash removes the messages from the field of the session's data and returns them.
// Each is returned once, whatever requests run at the same time: one whose answer never
// arrives is not shown again. Without messages, and without a session, it returns none
// and writes nothing.
//
// Errors: those of [Manager.Get] and [Manager.Update].
func (m *Manager[T]) TakeFlash(ctx context.Context, field func(*T) *Flash) ([]Message, error) {
	s, err := m.Get(ctx)
	if err != nil || len(*field(&s.Data)) == 0 {
		return nil, err
	}
	var taken Flash
	err = m.Update(ctx, func(v *T) error {
		f := field(v)
		taken, *f = *f, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}
