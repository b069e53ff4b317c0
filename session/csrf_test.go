package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pavise/pavise/session"
)

func TestCrossOriginRequests(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0),
		session.TrustedOrigins("https://app.example.net"),
		session.InsecureCSRFBypass("POST /callback"),
		session.InsecureCSRFBypass("POST /hooks/"),
		session.InsecureCSRFBypass("POST /hook/{id}"),
		session.InsecureCSRFBypass("GET /socket/open"))
	b := newBrowser(t, m)
	b.login("ann")
	type h map[string]string
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for _, tc := range []struct {
		name, method, path string
		header             h
		cookie, pass       bool
	}{
		{"cross-site GET", "GET", "/", h{"Sec-Fetch-Site": "cross-site"}, true, true},
		{"same-origin POST", "POST", "/", h{"Sec-Fetch-Site": "same-origin"}, true, true},
		{"cross-site POST", "POST", "/", h{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, true, false},
		{"cross-site POST without cookie", "POST", "/", h{"Sec-Fetch-Site": "cross-site"}, false, false},
		{"same-site POST from a sibling host", "POST", "/", h{"Sec-Fetch-Site": "same-site"}, true, false},
		{"cross-site DELETE", "DELETE", "/", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"old browser, own origin", "POST", "/", h{"Origin": "https://example.com"}, true, true},
		{"old browser, foreign origin", "POST", "/", h{"Origin": "https://evil.example"}, true, false},
		{"opaque origin", "POST", "/", h{"Origin": "null"}, true, false},
		{"trusted origin", "POST", "/", h{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.net"}, true, true},
		{"neither header, cookie", "POST", "/", h{"Content-Type": json}, true, false},
		{"neither header, cookie, PUT", "PUT", "/", h{"Content-Type": json}, true, false},
		{"neither header, form, no cookie", "POST", "/login", h{"Content-Type": form}, false, false},
		{"neither header, multipart, no cookie", "POST", "/login", h{"Content-Type": "multipart/form-data; boundary=x"}, false, false},
		{"neither header, plain text, no cookie", "POST", "/login", h{"Content-Type": "Text/Plain"}, false, false},
		{"neither header, no type, no cookie", "POST", "/login", nil, false, false},
		{"neither header, JSON, no cookie", "POST", "/api", h{"Content-Type": json}, false, true},
		{"neither header, DELETE, no cookie", "DELETE", "/api", nil, false, true},
		{"bypass: form_post callback", "POST", "/callback", h{"Sec-Fetch-Site": "cross-site", "Origin": "https://idp.example", "Content-Type": form}, false, true},
		{"bypass: webhook without headers", "POST", "/callback", h{"Content-Type": form}, false, true},
		{"bypass holds for its method only", "PUT", "/callback", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"bypass holds for its path only", "POST", "/callback/", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"bypass does not follow path cleaning", "POST", "/x/../callback", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"bypass of a folder", "POST", "/hooks/a%2Fb/", h{"Sec-Fetch-Site": "cross-site"}, true, true},
		{"bypass does not leave the folder, slash", "POST", "/hooks/..%2Fpay", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"bypass of one segment", "POST", "/hook/a%20b", h{"Sec-Fetch-Site": "cross-site"}, true, true},
		{"bypass of one segment is not of two", "POST", "/hook/a%2Fb", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"bypass does not leave the folder, dots", "POST", "/hooks/%2E%2E/pay", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"old browser, own host over plain http", "POST", "/", h{"Origin": "http://example.com"}, true, false},
		{"lower-case method", "get", "/", h{"Sec-Fetch-Site": "cross-site"}, true, false},
		{"websocket, own host over plain http", "GET", "/socket", h{"Upgrade": "websocket", "Origin": "http://example.com"}, true, false},
		{"websocket, own origin", "GET", "/socket", h{"Upgrade": "websocket", "Origin": "https://example.com"}, true, true},
		{"websocket, foreign origin", "GET", "/socket", h{"Upgrade": "websocket", "Origin": "https://evil.example"}, true, false},
		{"websocket, foreign origin, other spelling", "GET", "/socket", h{"Upgrade": "h2c, WebSocket", "Origin": "https://evil.example"}, true, false},
		{"websocket, trusted origin", "GET", "/socket", h{"Upgrade": "websocket", "Origin": "https://app.example.net"}, true, true},
		{"websocket, no origin, cookie", "GET", "/socket", h{"Upgrade": "websocket"}, true, false},
		{"websocket, no origin, no cookie", "GET", "/socket", h{"Upgrade": "websocket"}, false, true},
		{"websocket, bypass", "GET", "/socket/open", h{"Upgrade": "websocket", "Origin": "https://evil.example"}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "https://example.com"+tc.path, nil)
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			if tc.cookie {
				r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
			}
			ran := false
			w := httptest.NewRecorder()
			m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })).ServeHTTP(w, r)
			if ran != tc.pass || !ran && w.Code != http.StatusForbidden {
				t.Errorf("ran %v, status %d; want %v", ran, w.Code, tc.pass)
			}
		})
	}
}
