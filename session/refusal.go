package session

import "net/http"

// Refused has f write the body of the answers that the Manager itself gives, as a
// page or a problem document: 403 to a forged request, 421 to a foreign host under
// [InsecureDevelopment], and from [Manager.Require] 401, 503 and, outside of
// [Manager.Handler], 500. Whatever status f writes, that one is sent. The default is
// a line of text, which is also what takes the place of an answer that a handler
// gave although the store had failed.
func Refused(f func(w http.ResponseWriter, r *http.Request, status int)) Option {
	return func(o *options) error {
		o.refused = f
		return nil
	}
}

// refuse answers a request that goes no further.
func (o *options) refuse(w http.ResponseWriter, r *http.Request, status int) {
	if o.refused == nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	out := &refusal{ResponseWriter: w, status: status}
	o.refused(out, r, status)
	out.WriteHeader(status)
}

// refusal holds to the status: a renderer that forgets it must not turn a refusal
// into a 200.
type refusal struct {
	http.ResponseWriter
	status int
	sent   bool
}

// WriteHeader sends the status of the refusal, once.
func (w *refusal) WriteHeader(int) {
	if !w.sent {
		w.sent = true
		w.ResponseWriter.WriteHeader(w.status)
	}
}

// Write writes the body, after the status.
func (w *refusal) Write(b []byte) (int, error) {
	w.WriteHeader(w.status)
	return w.ResponseWriter.Write(b)
}
