package headers_test

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pavise/pavise/sanitize/headers"
)

var page = template.Must(template.New("page").Parse(`<script {{.Nonce}} src="/app.js"></script>`))

func Example() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, map[string]any{"Nonce": headers.Nonce(r.Context())})
	})
	handler := headers.Policy{Img: []headers.Src{"https://images.example.com"}}.Handler(mux)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	_, nonce, _ := strings.Cut(w.Body.String(), `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	csp := w.Header().Get("Content-Security-Policy")
	fmt.Println("page and policy share the nonce:", strings.Contains(csp, "'nonce-"+nonce+"'"))
	fmt.Println("an injected inline script runs:", strings.Contains(csp, "unsafe-inline"))
	// Output:
	// page and policy share the nonce: true
	// an injected inline script runs: false
}

func ExamplePolicy_Validate() {
	fmt.Println(headers.Policy{Script: []headers.Src{"https://*.example.com"}}.Validate())
	fmt.Println(headers.Policy{Script: []headers.Src{headers.Unsafe("https://*.example.com")}}.Validate())
	// Output:
	// headers: Script[0]: a wildcard trusts hosts that you do not know: wrap it in Unsafe
	// <nil>
}
