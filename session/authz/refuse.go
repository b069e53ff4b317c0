package authz

import "net/http"

// refuse answers a request that goes no further. What a subject may see changes with
// its roles, so no cache keeps the answer.
func (m *Mux) refuse(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		// RFC 9110 section 11.6.1 wants a scheme; at this one browsers show no dialog.
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if m.refused == nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	out := &refusal{ResponseWriter: w, status: status}
	m.refused(out, r, status)
	out.WriteHeader(status)
}

// refusal keeps a renderer that forgets the status from making a refusal a 200.
type refusal struct {
	http.ResponseWriter
	status int
	sent   bool
}

// WriteHeader sends the status once: a redirect or an error as it is given.
func (w *refusal) WriteHeader(status int) {
	if w.sent {
		return
	}
	w.sent = true
	if status < 300 {
		status = w.status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes the body, after the status.
func (w *refusal) Write(b []byte) (int, error) {
	w.WriteHeader(w.status)
	return w.ResponseWriter.Write(b)
}
