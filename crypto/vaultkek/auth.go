package vaultkek

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/pavise/pavise/secrets"
)

// Auth is how a [KEK] gets its token: [Token], [AppRole] or [Kubernetes]. The
// credential is read from its source at each login, so that a rotated file is
// followed. The zero Auth is refused.
type Auth struct {
	kind  authKind
	mount string
	role  string
	src   secrets.Source
	name  string
}

type authKind int

const (
	authNone authKind = iota
	authToken
	authAppRole
	authKubernetes
)

// Token uses a token that something else obtains and replaces, such as a Vault Agent
// with a file sink. It is renewed, but at its max TTL only the source can bring
// another one.
func Token(src secrets.Source, name string) Auth {
	return Auth{kind: authToken, mount: "token", role: "-", src: src, name: name}
}

// AppRole logs in with a role id and the secret id that src has under name. The
// secret id must allow more than one use: a new login follows each max TTL.
func AppRole(roleID string, src secrets.Source, name string) Auth {
	return Auth{kind: authAppRole, mount: "approle", role: roleID, src: src, name: name}
}

// Kubernetes logs in to a role with the service account token that src has under
// name, which in a pod is
//
//	secrets.Dir("/var/run/secrets/kubernetes.io/serviceaccount"), "token"
//
// or better a projected volume whose token has an audience of its own.
func Kubernetes(role string, src secrets.Source, name string) Auth {
	return Auth{kind: authKubernetes, mount: "kubernetes", role: role, src: src, name: name}
}

// At returns a copy of a whose auth method is mounted at mount instead of at its
// default, "approle" or "kubernetes". It has no effect on a Token.
func (a Auth) At(mount string) Auth {
	if a.kind != authToken {
		a.mount = mount
	}
	return a
}

// Format writes a placeholder, whatever the verb: a source may hold credentials.
func (Auth) Format(f fmt.State, _ rune) { io.WriteString(f, "[REDACTED]") }

func (a Auth) valid() bool {
	return a.kind != authNone && a.src != nil && a.name != "" && isPath(a.mount) && isText(a.role)
}

const maxCredential = 16 << 10

// credential reads the token, secret id or JWT to log in with.
func (a Auth) credential(ctx context.Context) (secrets.Secret, error) {
	versions, err := a.src.Fetch(ctx, a.name)
	if err != nil {
		return secrets.Secret{}, err
	}
	for _, v := range versions {
		if !v.Pending {
			return v.Secret, checkCredential(v.Secret)
		}
	}
	return secrets.Secret{}, secrets.ErrNotFound
}

// checkCredential refuses what could not travel in a header.
func checkCredential(s secrets.Secret) error {
	ok := false
	s.Use(func(b []byte) {
		ok = len(b) > 0 && len(b) <= maxCredential
		for _, c := range b {
			ok = ok && c > ' ' && c < 0x7f
		}
	})
	if !ok {
		return errCredential
	}
	return nil
}

// request is the login; a Token has only to learn how long it lives.
func (a Auth) request(credential secrets.Secret) (request, error) {
	r := request{op: "login", method: http.MethodPost, path: "auth/" + a.mount + "/login"}
	var err error
	switch a.kind {
	case authToken:
		r.method, r.path, r.token = http.MethodGet, "auth/token/lookup-self", credential
	case authAppRole:
		r.body, err = json.Marshal(map[string]string{"role_id": a.role, "secret_id": credential.Reveal()})
	case authKubernetes:
		r.body, err = json.Marshal(map[string]string{"role": a.role, "jwt": credential.Reveal()})
	}
	return r, err
}

// granted returns what a login gave.
func (a Auth) granted(credential secrets.Secret, got answer) (grant, error) {
	if a.kind == authToken {
		return grant{credential, got.Data.TTL, got.Data.Renewable}.checked()
	}
	return got.Auth.checked()
}
