package headers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"html/template"
	"net/http"
)

type nonceKey struct{}

// Nonce returns the attribute nonce="..." of the response that ctx, the context of its request, belongs to. It goes into
// each <script> and <style> of the page and nowhere else.
//
// A nonce that is used twice can be known beforehand: a page that holds one is sent with Cache-Control: no-store, or it would
// come back from a cache beside the policy of another response.
//
// It panics if the request did not come through [Policy.Handler] of a policy with scripts: a page that believes in a nonce
// and is sent without the policy would be unprotected, and nobody would see it.
func Nonce(ctx context.Context) template.HTMLAttr {
	nonce, ok := ctx.Value(nonceKey{}).(string)
	if !ok {
		panic("headers: no nonce: the request did not come through Policy.Handler")
	}
	return template.HTMLAttr(`nonce="` + nonce + `"`)
}

// withNonce returns the source expression of a new nonce and the request that carries the nonce.
func withNonce(r *http.Request) (string, *http.Request) {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand
	nonce := base64.RawURLEncoding.EncodeToString(b[:])
	return "'nonce-" + nonce + "'", r.WithContext(context.WithValue(r.Context(), nonceKey{}, nonce))
}
