package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

// The key file opens every note: whoever has a copy of the database and not of this file has nothing. notes.key.1, if there
// is one, is the key before: the program opens with both and seals with notes.key.
const keyFile = "notes.key"

var (
	errKeyWithoutDatabase = errors.New("notes: restore the database that belongs to the key, or use another data folder to begin anew")
	errDatabaseWithoutKey = fmt.Errorf("notes: there are notes, but no %s in the data folder: restore the key from your backup; without it nobody can read them", keyFile)
	errWrongKey           = fmt.Errorf("notes: %s is not the key of this database: restore the one that belongs to it", keyFile)
)

// vault is a database and the keys that belong to it.
type vault struct {
	store     *store
	envelope  *crypto.Envelope
	deviceKey []byte // authenticates the cookies by which ratelimit.Login knows a browser again
}

func (v *vault) Close() error {
	if v.envelope == nil {
		return v.store.Close()
	}
	return errors.Join(v.envelope.Close(), v.store.Close()) // the first wipes the data keys
}

// openVault opens the database and the key that belong together, or refuses: a service that starts with the wrong one of
// either looks like lost notes, and what it writes is lost later. Only an empty database gets a new key. Every step can be
// interrupted and is taken up again by the next start.
func openVault(ctx context.Context, dataDir, postgres string) (*vault, error) {
	if err := makeFolder(dataDir); err != nil {
		return nil, err
	}
	keyring, err := readKeys(ctx, dataDir)
	fresh := errors.Is(err, secrets.ErrNotFound)
	if err != nil && !fresh {
		return nil, err
	}
	db, err := openStore(ctx, dataDir, postgres, fresh)
	if err != nil {
		return nil, err
	}
	if fresh {
		keyring, err = firstKey(ctx, db, dataDir)
	}
	v := &vault{store: db}
	if err == nil {
		err = v.unlock(ctx, keyring)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// unlock opens the check value of the database: 32 random bytes, sealed when it was empty. Whoever can open it has the right
// key. They serve as the device key, too.
func (v *vault) unlock(ctx context.Context, keyring *crypto.Keyring) (err error) {
	if v.envelope, err = crypto.NewEnvelope("notes", []crypto.KEK{crypto.KeyringKEK(keyring)}); err != nil {
		return err
	}
	sealed, err := v.store.keyCheck(ctx)
	if errors.Is(err, errNotFound) {
		sealed, err = v.firstCheck(ctx)
	}
	if err != nil {
		return err
	}
	if v.deviceKey, err = v.envelope.Open(ctx, nil, sealed, checkBinding); err != nil {
		return errWrongKey
	}
	if !v.envelope.NeedsRewrap(sealed) {
		return nil
	}
	if sealed, err = v.envelope.Seal(ctx, nil, v.deviceKey, checkBinding); err != nil {
		return err
	}
	return v.store.setKeyCheck(ctx, sealed) // or the key before would be needed for ever
}

var checkBinding = crypto.Unbound("notes/key-check")

// firstCheck returns the check value that is in the database afterwards, which another process may have put there.
func (v *vault) firstCheck(ctx context.Context) ([]byte, error) {
	check := make([]byte, 32)
	rand.Read(check) // never fails
	sealed, err := v.envelope.Seal(ctx, nil, check, checkBinding)
	if err != nil {
		return nil, err
	}
	if err := v.store.addKeyCheck(ctx, sealed); err != nil {
		return nil, err
	}
	sealed, err = v.store.keyCheck(ctx)
	if errors.Is(err, errNotFound) {
		err = errWrongKey // there are users: somebody has removed the check value
	}
	return sealed, err
}

// readKeys reads the newest key and the one before it.
func readKeys(ctx context.Context, dataDir string) (*crypto.Keyring, error) {
	versions, err := secrets.Dir(dataDir).Fetch(ctx, keyFile)
	if err != nil {
		return nil, err
	}
	var primary crypto.Key
	var others []crypto.Key
	for _, v := range versions {
		if err := private(filepath.Join(dataDir, v.ID)); err != nil {
			return nil, err
		}
		key, err := crypto.ParseKey(v.Secret)
		switch {
		case err != nil:
			return nil, fmt.Errorf("notes: %s: %w", v.ID, err)
		case v.ID == keyFile:
			primary = key
		default:
			others = append(others, key)
		}
	}
	return crypto.NewKeyring(primary, others...)
}

// private refuses a key that other users of the machine can read.
func private(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("notes: other users can read %s: chmod 600 it, and think of it as seen", path)
	}
	return err
}

// firstKey returns the key of a database that was never used: a new one, or that of another process that was faster.
func firstKey(ctx context.Context, db *store, dataDir string) (*crypto.Keyring, error) {
	empty, err := db.neverUsed(ctx)
	if err != nil {
		return nil, err
	}
	if empty {
		err = createKeyFile(filepath.Join(dataDir, keyFile), crypto.GenerateKey())
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	keyring, err := readKeys(ctx, dataDir)
	if errors.Is(err, secrets.ErrNotFound) {
		err = errDatabaseWithoutKey
	}
	return keyring, err
}

// createKeyFile never replaces a file, never shows half a key, and returns when the new one would survive a power cut.
func createKeyFile(path string, key crypto.Key) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-key-*") // for this user only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.WriteString(f, key.Export().Reveal()+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike Rename it fails if there is a file
		return err
	}
	return syncDir(filepath.Dir(path))
}

// makeFolder makes the data folder if there is none, to stay after a power cut. One that is there was made by somebody who may
// not let this program read the folder above.
func makeFolder(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	if runtime.GOOS == "windows" { // folders cannot be synced there
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
